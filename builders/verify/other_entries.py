"""Collect the entries of an image that no signed index covers, with the origin that the manifest claims.

These are entries of builds, of the container's files, of maintainer scripts, of a base, and those that fpack made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, FILE, GENERATED, SYMLINK, ManifestEntry

from .findings import show
from .script_packages import fingerprint

PACKAGE, BUILT, FILES, ATTRIBUTES, BASE = "package", "built", "files", "directory", "base"  # origins
SET_ID = 0o6000  # the bits of a mode
_NOUNS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}
_WORDS = {
    BUILT: "built",
    FILES: "the container's own",
    GENERATED: "made by fpack",
    CONFIGURED: "made by maintainer scripts",
    BASE: "from the base",
    ATTRIBUTES: "its mode and owner are no package's",
}


class OtherEntry(NamedTuple):
    """An entry. origin: BUILT, FILES, GENERATED, CONFIGURED, BASE, or ATTRIBUTES for a directory's mode and owner.

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
    def of(cls, entry: ManifestEntry, origin: str, detail: str = "") -> OtherEntry:
        """Create a record from an entry of a manifest."""
        return cls(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, origin, detail)

    @property
    def is_set_id(self) -> bool:
        """Return whether the entry is a file with a set-user-ID or set-group-ID bit."""
        return self.kind == FILE and bool(self.mode & SET_ID)

    def value(self) -> dict[str, Any]:
        """Return the entry as plain data for JSON."""
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
        words = [_WORDS[self.origin], *([self.detail] if self.detail else [])]
        if self.kind == DIRECTORY:
            words.append(f"{self.mode:04o} {self.uid}:{self.gid}")
        elif self.is_set_id:
            words.append(f"set-id, mode {self.mode:04o}, owner {self.uid}:{self.gid}")
        return f"{show(self.path)}: {', '.join(words)}"


class OtherEntries:
    """The entries of one image. Each is stored as one bytes object, since there can be very many."""

    def __init__(self) -> None:
        # By rank: (is not set-id, is a directory), so that sorting puts set-id files first and directories last.
        self._rows: dict[tuple[bool, bool], list[bytes]] = {}
        self.configured: set[bytes] = set()  # fingerprints (see script_packages.py) of what maintainer scripts made

    def add(self, other: OtherEntry) -> None:
        rank = (not other.is_set_id, other.kind == DIRECTORY)
        # No path and no other field contains a NUL.
        rest = f"{other.kind}\0{other.mode}\0{other.uid}\0{other.gid}\0{other.origin}\0{other.detail}"
        self._rows.setdefault(rank, []).append(b"%s\0%s" % (other.path, rest.encode()))

    def add_configured(self, other: OtherEntry, sha256: bytes = b"", target: bytes = b"") -> None:
        """Add an entry that a maintainer script made. sha256, target: of a file's content, of a symlink."""
        self.add(other)
        self.configured.add(fingerprint(*other[:5], sha256, target))

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[OtherEntry]:
        """Iterate over set-id files, then other files and symlinks, then directories, each sorted by path."""
        for rank in sorted(self._rows):
            self._rows[rank].sort()
            for row in self._rows[rank]:
                path, kind, mode, uid, gid, origin, detail = row.split(b"\0")
                numbers = (int(mode), int(uid), int(gid))
                yield OtherEntry(path, kind.decode(), *numbers, origin.decode(), detail.decode())
