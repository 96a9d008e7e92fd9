"""Search packages in a compact table of names, versions, sections and short descriptions, cached beside its index.

The table is sorted text with one package per line and four tab-separated fields. A search converts the whole table to
lower case once and searches bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3
from fpack.store.files.checked_blocks import Buffer

from ..suites import IndexPin
from .cache import IndexCache
from .package_index import PackageIndex
from .table import packages_of

FORMAT = 2
HEADER = b"fpack-catalog 2 %d\n"
MAX_DESCRIPTION = 300  # characters
_DIGEST = 32  # bytes
_FIELDS = (b"\nVersion:", b"\nSection:", b"\nDescription:")


class SearchRow(NamedTuple):
    """A package in the table."""

    name: str
    version: str
    section: str
    description: str


class SearchTable:
    """The search table of one index."""

    def __init__(self, table: bytes) -> None:
        self._table = table[table.find(b"\n") + 1 :]
        self._lower = self._table.lower()

    def find(self, words: Sequence[str]) -> Iterator[SearchRow]:
        """Yield the packages whose name or description contains all of `words`, given in lower case."""
        keys = sorted((word.encode("utf-8", "surrogateescape") for word in words), key=len, reverse=True)
        if not keys or any(b"\n" in key or b"\t" in key for key in keys):
            return
        lower, first, rest = self._lower, keys[0], keys[1:]
        at = lower.find(first)
        while at >= 0:
            start = lower.rfind(b"\n", 0, at) + 1
            end = lower.find(b"\n", at)
            # A match in the version or section does not count.
            name, _, _, description = lower[start:end].split(b"\t")
            if (first in name or first in description) and all(key in name or key in description for key in rest):
                yield SearchRow(*self._table[start:end].decode("utf-8", "replace").split("\t"))
            at = lower.find(first, end)


def open_catalog(cache: IndexCache, pin: IndexPin, index: PackageIndex) -> SearchTable:
    """Open the table of the index with this pin, or make it from the index and cache it, followed by its digest."""
    path = cache.directory / f"{pin.key}.catalog{FORMAT}"
    try:
        file = path.read_bytes()
    except OSError:
        file = b""
    table, digest = file[:-_DIGEST], file[-_DIGEST:]
    if _digest(table, pin) != digest:
        table = make_catalog(index.content())
        cache.keep(path, table + _digest(table, pin))
    return SearchTable(table)


def _digest(table: bytes, pin: IndexPin) -> bytes:
    return blake3(table + b"\0" + pin.key.encode()).digest(_DIGEST)


def make_catalog(text: Buffer) -> bytes:
    """Make the table of an index's text. Of several versions of a package, the last one in the text is used."""
    lines: dict[bytes, bytes] = {}
    previous: tuple[int, bytes] | None = None
    for start, name in packages_of(text):
        if previous is not None:
            lines[previous[1]] = _line(text, previous[0], start, previous[1])
        previous = start, name
    if previous is not None:
        lines[previous[1]] = _line(text, previous[0], len(text), previous[1])
    return HEADER % len(text) + b"".join(lines[name] for name in sorted(lines))


def _line(text: Buffer, start: int, end: int, name: bytes) -> bytes:
    values = [name]
    for field in _FIELDS:
        at = text.find(field, start, end)
        value = text[at + len(field) : text.find(b"\n", at + 1, end)] if at >= 0 else b""
        values.append(value.replace(b"\t", b" ").strip()[:MAX_DESCRIPTION])
    return b"\t".join(values) + b"\n"


class Hit(NamedTuple):
    """A search result. rank: 0 if the name is equal, 1 if it starts with the words, 2 if it contains them, else 3."""

    rank: int
    row: SearchRow


def rank(row: SearchRow, words: Sequence[str]) -> Hit:
    """Rank a package by how well its name matches the words."""
    name, whole = row.name.lower(), "-".join(words)
    if name == whole:
        return Hit(0, row)
    if all(word in name for word in words):
        return Hit(1 if name.startswith((whole, words[0])) else 2, row)
    return Hit(3, row)


def order(hits: Iterable[Hit], words: Sequence[str]) -> list[Hit]:
    """Sort results by rank, then by matches of whole words, then by the length of the name."""

    whole = [re.compile(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])").search for word in words]

    def key(hit: Hit) -> tuple[object, ...]:
        row = hit.row
        text = row.name if hit.rank < 3 else f"{row.name} {row.description}".lower()
        loose = sum(found(text) is None for found in whole)
        named = sum(word not in row.name for word in words)
        return hit.rank, loose, named, len(row.name), row.name

    return sorted(hits, key=key)
