"""ELF files of a few hundred bytes, made without a compiler."""

from __future__ import annotations

import struct

_NEEDED, _STRTAB, _STRSZ, _SONAME, _RUNPATH = 1, 5, 10, 14, 29
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3


def elf(*needed: str, soname: str = "", interp: str = "", runpath: str = "", machine: int = 62, kind: int = 3) -> bytes:
    """Return a 64-bit little-endian ELF file that names these things. It cannot run."""
    strings = b"\0"
    tags = b""
    texts = [(_NEEDED, name) for name in needed] + [(_SONAME, soname), (_RUNPATH, runpath)]
    for tag, text in texts:
        if text:
            tags += struct.pack("<qQ", tag, len(strings))
            strings += text.encode() + b"\0"
    count = 3 if interp else 2
    start = 64 + 56 * count
    size = len(tags) + 3 * 16
    tags += struct.pack("<qQqQqQ", _STRTAB, start + size, _STRSZ, len(strings), 0, 0)
    loader = interp.encode() + b"\0"
    segments = [(_LOAD, 0, start + size + len(strings) + len(loader)), (_DYNAMIC, start, size)]
    if interp:
        segments.append((_INTERP, start + size + len(strings), len(loader)))
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQ", kind, machine, 1, 0, 64, 0)
    head += struct.pack("<IHHHHHH", 0, 64, 56, count, 0, 0, 0)
    table = b"".join(struct.pack("<IIQQQQQQ", t, 0, at, at, at, n, n, 0) for t, at, n in segments)
    return head + table + tags + strings + loader


def repeated(*, needed: int = 0, runpath: int = 0, size: int = 4096) -> bytes:
    """Return a library that names one long string many times, as a soname or as a list of directories."""
    strings = b"\0" + b"ab:" * (size // 3) + b"\0"
    tags = [(_NEEDED, 1)] * needed + [(_RUNPATH, 1)] * runpath
    start = 64 + 56 * 2
    length = 16 * (len(tags) + 3)
    tags += [(_STRTAB, start + length), (_STRSZ, len(strings)), (0, 0)]
    segments = [(_LOAD, 0, start + length + len(strings)), (_DYNAMIC, start, length)]
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQ", 3, 62, 1, 0, 64, 0)
    head += struct.pack("<IHHHHHH", 0, 64, 56, len(segments), 0, 0, 0)
    table = b"".join(struct.pack("<IIQQQQQQ", t, 0, at, at, at, n, n, 0) for t, at, n in segments)
    return head + table + b"".join(struct.pack("<qQ", *tag) for tag in tags) + strings
