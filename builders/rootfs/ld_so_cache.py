"""Write etc/ld.so.cache, by which the loader finds libraries outside its default directories.

A root needs it only if a package's ld.so.conf.d lists such a directory. The format is `struct cache_file_new` of
glibc's dl-cache.h: a header, entries in descending order of name, strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from struct import Struct

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = Struct("<20sIIB3xI12x")
_ENTRY = Struct("<iIIIQ")
_LIBC6 = 3
_LITTLE = 2  # the flag for little-endian numbers
# The flags of glibc's ldconfig.h for a library's ABI, by Debian architecture.
_FLAGS = {"amd64": 0x0300, "arm64": 0x0A00, "armhf": 0x0900, "i386": 0, "ppc64el": 0x0500, "riscv64": 0x1000}


def loader_cache(libraries: Mapping[str, str], arch: str) -> bytes | None:
    """Encode the cache of `libraries`: soname -> absolute path. Return None for an unsupported architecture."""
    if arch not in _FLAGS:
        return None
    at = _HEADER.size + _ENTRY.size * len(libraries)
    entries = strings = b""
    for name in sorted(libraries, key=_order, reverse=True):
        key = at + len(strings)
        strings += name.encode() + b"\0"
        value = at + len(strings)
        strings += libraries[name].encode() + b"\0"
        entries += _ENTRY.pack(_FLAGS[arch] | _LIBC6, key, value, 0, 0)
    head = _HEADER.pack(_MAGIC, len(libraries), len(strings), _LITTLE, 0)
    return head + entries + strings


def _order(name: str) -> list[tuple[int, int]]:
    """Return a sort key for glibc's order of names: runs of digits compare as numbers, after other characters."""
    return [(1, int(part)) if part.isdigit() else (0, ord(part)) for part in re.findall(r"[0-9]+|.", name, re.DOTALL)]
