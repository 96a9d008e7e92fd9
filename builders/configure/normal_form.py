"""Sort files that list directories, because each file system lists the entries of a directory in another order."""

from __future__ import annotations

from collections.abc import Callable


def normal_form(path: str) -> Callable[[bytes], bytes] | None:
    """Return the function that orders the content of the file at a path, or None if it must stay as it is."""
    return sorted_listing if path.endswith("/ls-R") else None


def sorted_listing(content: bytes) -> bytes:
    """Return TeX's list of a tree's files, which `ls -RU` writes, with sorted directories and sorted names."""
    head, *paragraphs = content.strip(b"\n").split(b"\n\n")
    listed: list[bytes] = []
    for paragraph in paragraphs:
        title, *names = paragraph.split(b"\n")
        # The first directory has an extra title.
        listed.append(b"\n".join([title, *sorted(names, key=lambda name: (not name.endswith(b":"), name))]))
    return b"\n\n".join([head, *sorted(listed)]) + b"\n"
