"""Check that an image's settings and own files do not name the unmodified files of a package.

Images have the files of packages at their paths, and never payloads: what names a path in one would not find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.linking.store_paths import payload
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError, Task
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.files.regular_file import open_regular
from fpack.store.path import StorePath

from .image_contents import PartTable

_MAX_TEXT = 1 << 20  # bytes of a file that is searched for store paths


def check_named_payloads(
    task: Task, paths: Sequence[StorePath], config: Mapping[str, Value], files: PartTable | None
) -> None:
    """Raise BuildError if a setting, a link or a text of the container names a payload.

    paths: the store paths that these mention, among others. files: the container's own files.
    """
    found = {path: package for path in paths if (package := payload(task.tree(path))) is not None}
    if not found:
        return
    for field, where, text in _texts(task, config, files):
        for path, package in found.items():
            at = text.find(path.base.encode())
            if at < 0:
                continue
            file = _below(text[at + len(path.base) :])
            raise BuildError(
                f"{where} names the files of {package} at a path that the image does not have",
                why=f"a package's files are at their own paths in an image, and this path is {path}",
                hint=f"list {package} in `packages`, and write {file or 'the path of the file, such as /usr/bin/...'}",
            ).with_(field=field)


def _texts(task: Task, config: Mapping[str, Value], files: PartTable | None) -> Iterator[tuple[str, str, bytes]]:
    """Yield the field, the name in a message and the bytes of all that names paths."""
    for field, value in config.items():
        yield field, f"`{field}`", canonical.encode(value)
    for entry in files.entries if files else ():
        task.check()
        if entry.kind == meta.SYMLINK:
            yield "links", f"The link /{entry.path}", entry.target.encode(errors="surrogateescape")
        elif entry.kind == meta.FILE and files is not None and entry.size <= _MAX_TEXT:
            with open_regular(Path(files.disk_path, "data", entry.path)) as file:
                yield "files", f"The file /{entry.path}", file.read(_MAX_TEXT)


def _below(rest: bytes) -> str:
    """Return the path of a package's file that follows a payload's path, or an empty string."""
    if not rest.startswith(b"/data/"):
        return ""
    end = next((number for number, byte in enumerate(rest) if byte <= 0x20 or byte in b"\"':;,<>|&\\`$()"), len(rest))
    name = rest[len(b"/data") : end]
    return name.decode(errors="replace") if name.isascii() else ""
