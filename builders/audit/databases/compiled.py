"""Compile vulnerability data into rows by package, and look rows up without reading the others.

The compiled form is a header of plain data, a sorted table of digests of keys with offsets, and the rows of each key as
msgpack. `store.files.disk_cache` keeps it, which checks it when it is read. The form is versioned by FORMAT, which is a
part of the key in the cache.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, NamedTuple

from blake3 import blake3
from fpack.store.errors import FpackError

FORMAT = 1
MAGIC = b"fpack vulnerabilities %d\n" % FORMAT
MAX_ROWS = 5_000_000
MAX_BYTES = 2 << 30  # of all rows
MAX_PROBLEMS = 10  # described; the others are counted
MAX_TEXT = 300  # characters of a description
_SIZES = struct.Struct(">II")  # of the header, and the number of keys
_DIGEST = 16  # bytes of a name's digest
_POSITION = struct.Struct(">QI")
_ENTRY = _DIGEST + _POSITION.size


class DataError(FpackError):
    """Vulnerability data that cannot be read."""

    exit_code = 4


class DataHeader(NamedTuple):
    """The description of the data in a compiled file.

    kind: "debian-tracker" or "osv". newest: the date of the newest record as the data tells it, in ISO 8601, or "".
    rows: their number for each release or ecosystem. withdrawn: records that were withdrawn. bad: records that cannot
    be read. problems: descriptions of the first of these.
    """

    kind: str
    newest: str
    rows: Mapping[str, int]
    withdrawn: int
    bad: int
    problems: tuple[str, ...]


class Compiler:
    """The rows of one file of data. where: the file, for errors."""

    def __init__(self, kind: str, where: str) -> None:
        from msgpack import Packer

        self._kind = kind
        self._where = where
        self._pack = Packer().pack
        self._rows: dict[str, bytearray] = {}
        self._counts: dict[str, int] = {}
        self._size = self._total = 0
        self.problems: list[str] = []
        self.bad = 0
        self.withdrawn = 0
        self.newest = ""

    def add(self, key: str, row: list[Any], group: str = "") -> None:
        """Add a row. group: the release or ecosystem that it counts for, or "" if it does not count."""
        packed = self._pack(row)
        self._rows.setdefault(key, bytearray()).extend(packed)
        self._size += len(packed)
        self._total += 1
        if self._size > MAX_BYTES or self._total > MAX_ROWS:
            why = f"it has {self._total} records or more; the limits are {MAX_ROWS} records and {MAX_BYTES} bytes"
            raise DataError("The vulnerability data is too large", where=self._where, why=why)
        if group:
            self.count(group)

    def count(self, group: str, number: int = 1) -> None:
        """Count rows for a release or ecosystem."""
        self._counts[group] = self._counts.get(group, 0) + number

    def problem(self, name: str, why: str) -> None:
        """Note a record that cannot be read."""
        self.bad += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text(f"{name}: {why}"))

    def finish(self) -> bytes:
        """Return the compiled form."""
        header = self._pack(
            [self._kind, self.newest, dict(sorted(self._counts.items())), self.withdrawn, self.bad, self.problems]
        )
        entries, blocks, at = [], [], 0
        for digest, key in sorted((_digest(key), key) for key in self._rows):
            block = self._pack(key) + bytes(self._rows.pop(key))
            entries.append(digest + _POSITION.pack(at, len(block)))
            blocks.append(block)
            at += len(block)
        return b"".join([MAGIC, _SIZES.pack(len(header), len(entries)), header, *entries, *blocks])


class CompiledData:
    """The compiled form, opened. Raise ValueError if `data` is of another format."""

    def __init__(self, data: bytes | memoryview) -> None:
        from msgpack import unpackb

        view = memoryview(data)
        if view[: len(MAGIC)] != MAGIC:
            raise ValueError("not compiled vulnerability data")
        at = len(MAGIC) + _SIZES.size
        size, count = _SIZES.unpack(view[len(MAGIC) : at])
        kind, newest, rows, withdrawn, bad, problems = unpackb(view[at : at + size])
        self.header = DataHeader(kind, newest, rows, withdrawn, bad, tuple(problems))
        self._keys = range(count)
        self._table = view[at + size : at + size + count * _ENTRY]
        self._blocks = view[at + size + count * _ENTRY :]

    def rows(self, key: str) -> list[list[Any]]:
        from msgpack import Unpacker

        wanted = _digest(key)
        found = bisect_left(self._keys, wanted, key=self._digest_at)
        if found == len(self._keys) or self._digest_at(found) != wanted:
            return []
        at = found * _ENTRY + _DIGEST
        offset, size = _POSITION.unpack(self._table[at : at + _POSITION.size])
        unpacker = Unpacker(max_buffer_size=size + 1)
        unpacker.feed(self._blocks[offset : offset + size])
        first, *rows = unpacker
        return rows if first == key else []

    def _digest_at(self, number: int) -> bytes:
        return bytes(self._table[number * _ENTRY : number * _ENTRY + _DIGEST])


def _digest(key: str) -> bytes:
    return blake3(key.encode("utf-8", "replace")).digest(_DIGEST)


def text(value: object, most: int = MAX_TEXT) -> str:
    """Return a text of the data on one line and cut to `most` characters; "" for anything but a text.

    Control characters become spaces, so that no text of the data moves the cursor of a terminal.
    """
    if not isinstance(value, str):
        return ""
    cut = value[: 4 * most]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else " " for c in cut)
    cut = " ".join(cut.split())
    return cut if len(cut) <= most else cut[: most - 1].rstrip() + "…"
