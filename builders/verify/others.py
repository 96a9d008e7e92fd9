"""Entries of an image that Debian's archive does not vouch for, each with where the manifest says that it is from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, FILE, GENERATED, SYMLINK, ManifestEntry

from .findings import show

PACKAGE, BUILT, FILES, ATTRIBUTES = "package", "built", "files", "directory"
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
    def of(cls, entry: ManifestEntry, origin: str, detail: str = "") -> Other:
        """Describe an entry of a manifest."""
        return cls(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, origin, detail)

    @property
    def is_set_id(self) -> bool:
        """Tell whether the file runs as another user or group than its caller."""
        return self.kind == FILE and bool(self.mode & SET_ID)

    def value(self) -> dict[str, Any]:
        """Write it for JSON."""
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
        """Write it for people."""
        words = [_WORDS[self.origin], *([self.detail] if self.detail else [])]
        if self.kind == DIRECTORY:
            words.append(f"{self.mode:04o} {self.uid}:{self.gid}")
        elif self.is_set_id:
            words.append(f"set-id, mode {self.mode:04o}, owner {self.uid}:{self.gid}")
        return f"{show(self.path)}: {', '.join(words)}"


class Others:
    """All of an image. There can be a great many: each is held as one piece of bytes."""

    def __init__(self) -> None:
        # By whether they are not set-id, and whether they are directories.
        self._rows: dict[tuple[bool, bool], list[bytes]] = {}

    def add(self, other: Other) -> None:
        """Add an entry."""
        rank = (not other.is_set_id, other.kind == DIRECTORY)
        # No path, and nothing else of it, holds a NUL.
        rest = f"{other.kind}\0{other.mode}\0{other.uid}\0{other.gid}\0{other.origin}\0{other.detail}"
        self._rows.setdefault(rank, []).append(b"%s\0%s" % (other.path, rest.encode()))

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[Other]:
        """Iterate set-id files first, then files and links, then directories, each by path."""
        for rank in sorted(self._rows):
            self._rows[rank].sort()
            for row in self._rows[rank]:
                path, kind, mode, uid, gid, origin, detail = row.split(b"\0")
                numbers = (int(mode), int(uid), int(gid))
                yield Other(path, kind.decode(), *numbers, origin.decode(), detail.decode())
