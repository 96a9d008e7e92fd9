"""Make and open the table of a package index, which has the offsets of its stanzas and the digests of its blocks.

A table's file has a header line, the table, the digests of the blocks of the index's text and of the table, the sizes
of these three parts, and a digest that covers the sizes, the digests and the index's name. So any flipped bit of the
text or of the table is found before it is used, without hashing either as a whole.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect
from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.net import digests
from fpack.store.errors import FpackError
from fpack.store.files import checked_blocks
from fpack.store.files.checked_blocks import Buffer, CheckedBlocks, DamagedBlock

from ..suites import IndexPin

FORMAT = 3
HEADER = b"fpack-index 3 %d\n"
MAX_OFFSETS = 1 << 16  # bytes of the list of one package's offsets
MAX_PROVIDES = 1 << 24  # bytes of the names that one package provides
MAX_ENTRIES = 1 << 20  # stanzas of an index, and names that they provide; trixie has 70,000 stanzas

_NAMES = re.compile(rb"(?:\A|,)\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)")
_PROVIDES = re.compile(rb"\nProvides:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FIRST = re.compile(rb"Package:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n|\Z)")
_PACKAGE = re.compile(rb"\nPackage:[ \t]*([A-Za-z0-9][A-Za-z0-9+.\-]*)[ \t]*(?=\n)")
_SIZES = struct.Struct(">QQQ")  # of the table with its header, the digests of the text, the digests of the table
_DIGEST = 32  # bytes


class IndexUnusable(FpackError):
    """An index that cannot be fetched or read."""

    exit_code = 4


class OpenTable(NamedTuple):
    """The text of an index, as published, and its table."""

    text: CheckedBlocks
    table: CheckedBlocks


def make_table(text: Buffer, where: str = "") -> bytes:
    """Make the table of an index's text.

    It is sorted text with one name per line, tab-separated: the name, the offsets of its stanzas in `text`, and the
    packages that provide it.
    """
    starts: list[int] = []
    owners: list[bytes] = []
    offsets: dict[bytes, bytes] = {}
    for start, name in packages_of(text, where):
        starts.append(start)
        owners.append(name)
        at = b"%d" % start
        offsets[name] = offsets[name] + b" " + at if name in offsets else at
        if len(offsets[name]) > MAX_OFFSETS:
            what = f"The index has too many stanzas of the package {name[:100].decode('ascii')}"
            raise IndexUnusable(what, where=where)
    providers: dict[bytes, list[bytes]] = {}
    provided = 0
    for match in _PROVIDES.finditer(text):
        number = bisect(starts, match.start())
        if not number:
            raise IndexUnusable("The index is malformed", where=where, why="a field stands before the first package")
        owner = owners[number - 1]
        if match.end() - match.start() > MAX_PROVIDES:
            what = f"The index has the package {owner[:100].decode('ascii')}, which provides too many names"
            raise IndexUnusable(what, where=where)
        for found in _NAMES.finditer(match[1]):
            names = providers.setdefault(found[1], [])
            if not names or names[-1] != owner:
                names.append(owner)
                provided += 1
                if provided > MAX_ENTRIES:
                    why = f"the limit is {MAX_ENTRIES}"
                    raise IndexUnusable("The packages of the index provide too many names", where=where, why=why)
    lines = [HEADER % len(text)]
    for name in sorted(offsets.keys() | providers.keys()):
        lines.append(b"%s\t%s\t%s\n" % (name, offsets.get(name, b""), b" ".join(providers.get(name, ()))))
    return b"".join(lines)


def packages_of(text: Buffer, where: str = "") -> Iterator[tuple[int, bytes]]:
    """Yield the offset and package name of each stanza. A stanza must start with `Package:` after a blank line."""
    first = _FIRST.match(text)
    if first is not None:
        yield 0, first[1]
    elif text[:1].strip():
        raise IndexUnusable("The index is malformed", where=where, why="it does not begin with a package")
    for count, match in enumerate(_PACKAGE.finditer(text), 2):
        if count > MAX_ENTRIES:
            why = f"the limit is {MAX_ENTRIES}"
            raise IndexUnusable("The index has too many packages", where=where, why=why)
        start = match.start() + 1
        if text[start - 2 : start] != b"\n\n":
            why = f"there is no blank line before byte {start}"
            raise IndexUnusable("The index is malformed", where=where, why=why)
        yield start, match[1]


def table_file(text: Buffer, pin: IndexPin, where: str = "") -> bytes:
    """Return the content of the file of a table. Raise DamagedBlock if the text does not have the digests of `pin`."""
    if not digests.matches([text], pin.sha256, pin.sha512):
        raise DamagedBlock("The cached index does not match the digest in its release file", where=where)
    table = make_table(text, where)
    of_text, of_table = checked_blocks.digests(text), checked_blocks.digests(table)
    end = of_text + of_table + _SIZES.pack(len(table), len(of_text), len(of_table))
    return table + end + _seal(end, pin.key)


def open_table(text: Buffer, file: Buffer, pin: IndexPin) -> OpenTable:
    """Open a table's file and its text. Raise DamagedBlock if the file is not the complete table of this text."""
    numbers = len(file) - _DIGEST - _SIZES.size
    if numbers < 0:
        raise DamagedBlock("The table of a cached index is truncated")
    size, of_text, of_table = _SIZES.unpack(file[numbers : numbers + _SIZES.size])
    if size + of_text + of_table != numbers:
        raise DamagedBlock("The table of a cached index is truncated")
    end = file[size : numbers + _SIZES.size]
    if _seal(end, pin.key) != file[-_DIGEST:]:
        raise DamagedBlock("The digests of a cached index are damaged")
    table = CheckedBlocks(file, end[of_text : of_text + of_table], size)
    header = HEADER % len(text)
    if table[: len(header)] != header:
        raise DamagedBlock("The table of a cached index is of another index")
    return OpenTable(CheckedBlocks(text, end[:of_text], len(text)), table)


def _seal(end: bytes, key: str) -> bytes:
    return blake3(b"fpack index %d\0%s\0" % (FORMAT, key.encode()) + end).digest(_DIGEST)
