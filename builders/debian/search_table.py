"""What can be searched of an index: a small table of names, versions, sections and short descriptions, kept beside it.

The table is sorted text, a package a line, four fields set off by tabs. A search lowers it once and looks for bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .index import Buffer, Cache, packages_of
from .suites import IndexPin

FORMAT = 1
HEADER = b"fpack-catalog 1 %d\n"
MAX_DESCRIPTION = 300
_FIELDS = (b"\nVersion:", b"\nSection:", b"\nDescription:")


class Row(NamedTuple):
    """A package as the catalog has it."""

    name: str
    version: str
    section: str
    description: str


class Catalog:
    """The catalog of one index."""

    def __init__(self, table: bytes) -> None:
        self._table = table[table.find(b"\n") + 1 :]
        self._lower = self._table.lower()

    def find(self, words: Sequence[str]) -> Iterator[Row]:
        """The packages that have all of `words` (some, in small letters) in the name or the description."""
        keys = sorted((word.encode() for word in words), key=len, reverse=True)
        if not keys or any(b"\n" in key or b"\t" in key for key in keys):
            return
        lower, first, rest = self._lower, keys[0], keys[1:]
        at = lower.find(first)
        while at >= 0:
            start = lower.rfind(b"\n", 0, at) + 1
            end = lower.find(b"\n", at)
            # Version and section are no part of what is looked for.
            name, _, _, description = lower[start:end].split(b"\t")
            if (first in name or first in description) and all(key in name or key in description for key in rest):
                yield Row(*self._table[start:end].decode("utf-8", "replace").split("\t"))
            at = lower.find(first, end)


def open_catalog(cache: Cache, pin: IndexPin, text: Buffer) -> Catalog:
    """The catalog of the index with this pin, from the cache, or made of `text`, the index's own."""
    path = cache.folder / f"{pin.sha256}.catalog{FORMAT}"
    header = HEADER % pin.size
    try:
        table = path.read_bytes()
    except OSError:
        table = b""
    if not table.startswith(header) or not table.endswith(b"\n"):
        table = make_catalog(text)
        cache.keep(path, table)
    return Catalog(table)


def make_catalog(text: Buffer) -> bytes:
    """The table of an index's text. Of a package with several versions, the last one in the text counts."""
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
    """A package that was found. rank: 0 by its whole name, 1 by the beginning, 2 by a part of it, 3 otherwise."""

    rank: int
    row: Row


def rank(row: Row, words: Sequence[str]) -> Hit:
    """How well a package fits what was looked for."""
    name, whole = row.name.lower(), "-".join(words)
    if name == whole:
        return Hit(0, row)
    if all(word in name for word in words):
        return Hit(1 if name.startswith((whole, words[0])) else 2, row)
    return Hit(3, row)


def order(hits: Iterable[Hit], words: Sequence[str]) -> list[Hit]:
    """The best first: by rank, then those whose name or description has the words as words, then short names."""

    whole = [re.compile(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])").search for word in words]

    def key(hit: Hit) -> tuple[object, ...]:
        row = hit.row
        text = row.name if hit.rank < 3 else f"{row.name} {row.description}".lower()
        loose = sum(found(text) is None for found in whole)
        named = sum(word not in row.name for word in words)
        return hit.rank, loose, named, len(row.name), row.name

    return sorted(hits, key=key)
