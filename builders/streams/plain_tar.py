"""Read small tar archives in memory: ustar headers without extensions, which most members have.

The general reader, `tar_reader`, spends most of its time on what such archives do not have. Checksums of headers are
not compared: callers compare the digest of what they unpack.
"""

from __future__ import annotations

from typing import NamedTuple

BLOCK = 512
FILE, SYMLINK, DIRECTORY = b"0", b"2", b"5"
_MAGIC = b"ustar\x0000"
_KINDS = (FILE, SYMLINK, DIRECTORY)


class PlainMember(NamedTuple):
    """A member. name: without a slash at the end. start, size: of its content in the archive. target: of a symlink."""

    name: bytes
    kind: bytes
    executable: bool
    start: int
    size: int
    target: bytes


def members(data: bytes) -> list[PlainMember] | None:
    """Return the members of an archive without end blocks. Return None if the general reader must read it."""
    found = []
    at, end = 0, len(data)
    while at < end:
        kind = data[at + 156 : at + 157]
        if kind not in _KINDS or data[at + 257 : at + 265] != _MAGIC:
            return None
        name = data[at : at + 100].rstrip(b"\0")
        if data[at + 345]:
            name = data[at + 345 : at + 500].rstrip(b"\0") + b"/" + name
        target = data[at + 157 : at + 257].rstrip(b"\0") if kind == SYMLINK else b""
        try:
            size = int(data[at + 124 : at + 135], 8) if kind == FILE else 0
            mode = int(data[at + 100 : at + 107], 8)
        except ValueError:
            return None
        if kind == DIRECTORY:
            name = name.rstrip(b"/")
        start = at + BLOCK
        at = start + size + -size % BLOCK
        if size < 0 or at > end or b"\0" in name or b"\0" in target or (kind == FILE and name.endswith(b"/")):
            return None
        found.append(PlainMember(name, kind, bool(mode & 0o100), start, size, target))
    return found
