"""Parse tmpfiles.d(5): the directories and symlinks that a package needs at run time.

Of the line types, those that create directories (d, D, v, q, Q, e with an owner), symlinks (L) and empty files (f, F
without content) are read. Others adjust or delete what exists, which an image does not need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .unit_file import MAX_LINE, expand_specifiers, words

_MODE = re.compile(r"[~:]*([0-7]{3,5})\Z")
DIRECTORY, SYMLINK = "d", "l"


class TmpfilesEntry(NamedTuple):
    """A path to create, relative to `/`. user, group: names or numbers, "" for root. target: of a symlink."""

    kind: str
    path: str
    mode: int = 0o755
    user: str = ""
    group: str = ""
    target: str = ""


def parse(text: str) -> Iterator[TmpfilesEntry]:
    """Yield the entries of a file."""
    for line in text.splitlines():
        if len(line) > MAX_LINE or line.lstrip().startswith("#"):
            continue
        fields = words(expand_specifiers(line, "system.conf"))
        fields += ["-"] * (7 - len(fields))
        kind, path, mode, user, group, _, argument = fields[:7]
        clean = path.strip("/")
        if not path.startswith("/") or not clean or {"", ".", ".."} & set(clean.split("/")) or "*" in path:
            continue
        match = _MODE.match(mode)
        bits = int(match[1], 8) & 0o7777 if match else 0o755
        owner, owning = ("" if name == "-" else name.lstrip(":") for name in (user, group))
        letter = kind[:1]
        if letter in ("d", "D", "v", "q", "Q"):
            yield TmpfilesEntry(DIRECTORY, _run(clean), bits, owner, owning)
        elif letter == "L" and argument.startswith(("/", ".")):
            yield TmpfilesEntry(SYMLINK, _run(clean), target=argument)


def _run(path: str) -> str:
    """Return a path with /var/run as /run, which it is a symlink to."""
    for old, new in (("var/run/", "run/"), ("var/lock/", "run/lock/")):
        if path.startswith(old):
            return new + path.removeprefix(old)
    return path
