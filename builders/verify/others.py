"""Entries of an image that Debian's archive does not vouch for, each with where the manifest says that it is from."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, FILE, GENERATED, SYMLINK, Entry

from .report import show

BUILT, FILES, ATTRIBUTES = "built", "files", "directory"
SET_ID = 0o6000
_NOUNS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}
_WORDS = {
    BUILT: "built",
    FILES: "the container's own",
    GENERATED: "made by fpack",
    CONFIGURED: "made by Debian's scripts",
    ATTRIBUTES: "its mode and owner are no package's",
}


class Other(NamedTuple):
    """An entry. origin: BUILT, FILES, GENERATED, CONFIGURED, or ATTRIBUTES for those of a directory.

    detail: the kind of derivation, the rule, or the script and its package.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    origin: str
    detail: str

    @classmethod
    def of(cls, entry: Entry, origin: str, detail: str = "") -> Other:
        """What an entry is."""
        return cls(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, origin, detail)

    @property
    def is_set_id(self) -> bool:
        """Whether it runs as another user than who starts it."""
        return self.kind == FILE and bool(self.mode & SET_ID)

    def value(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "path": show(self.path),
            "kind": _NOUNS[self.kind],
            "mode": f"{self.mode:04o}",
            "uid": self.uid,
            "gid": self.gid,
            "origin": self.origin,
            "detail": self.detail,
        }

    def line(self) -> str:
        """As people read it."""
        words = [_WORDS[self.origin], *([self.detail] if self.detail else [])]
        if self.kind == DIRECTORY:
            words.append(f"{self.mode:04o} {self.uid}:{self.gid}")
        elif self.is_set_id:
            words.append(f"set-id, mode {self.mode:04o}, owner {self.uid}:{self.gid}")
        return f"{show(self.path)}: {', '.join(words)}"


class Others:
    """All of an image. There can be a great many, most of them alike: of those, the paths are held in one piece."""

    def __init__(self) -> None:
        self._paths: dict[Other, bytearray] = {}
        self._count = 0

    def add(self, other: Other) -> None:
        """One more."""
        # No path holds a NUL.
        self._paths.setdefault(other._replace(path=b""), bytearray()).extend(other.path + b"\0")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Other]:
        """Those that run as somebody else first, then files and links, then directories; each by path."""
        groups: dict[tuple[bool, bool], list[Other]] = {}
        for alike in self._paths:
            groups.setdefault((not alike.is_set_id, alike.kind == DIRECTORY), []).append(alike)
        for rank in sorted(groups):
            yield from heapq.merge(*(_run(alike, self._paths[alike]) for alike in groups[rank]))


def _run(alike: Other, paths: bytearray) -> Iterator[Other]:
    return (alike._replace(path=path) for path in sorted(bytes(paths[:-1]).split(b"\0")))
