"""Read small tar archives in memory: ustar headers without extensions, which most members have.

The general reader, `tar_reader`, spends most of its time on what such archives do not have. Checksums of headers are
not compared: callers compare the digest of what they unpack.
"""

from __future__ import annotations

import struct

from fpack.light_typing import NamedTuple

BLOCK = 512
FILE, SYMLINK, DIRECTORY = b"0", b"2", b"5"
_MAGIC = b"ustar\x0000"
_KINDS = (FILE, SYMLINK, DIRECTORY)
# Name, mode, size, kind, target, magic and prefix, without the ends of numbers.
_HEADER = struct.Struct("100s7s17x11s21xs100s8s80x155s12x")


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
        if end - at < BLOCK:
            return None
        name, mode, size, kind, target, magic, prefix = _HEADER.unpack_from(data, at)
        if kind not in _KINDS or magic != _MAGIC:
            return None
        name = name.rstrip(b"\0")
        if prefix[0]:
            name = prefix.rstrip(b"\0") + b"/" + name
        target = target.rstrip(b"\0") if kind == SYMLINK else b""
        try:
            size = int(size, 8) if kind == FILE else 0
            mode = int(mode, 8)
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
