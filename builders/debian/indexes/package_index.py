"""Fetch, verify, cache and read a suite's package index.

The cache, keyed by digest, holds the uncompressed text and a table from package names to offsets in the text. Both are
mapped into memory; a stanza is parsed only when it is requested.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from fpack.store.files.checked_blocks import Buffer, DamagedBlock
from fpack.store.files.owners import exposed, open_to_others

from ..control import MAX_STANZA
from ..package import Package, parse_package
from ..release import Release
from ..suites import COMPONENT, IndexPin, Suite, SuiteFile
from .cache import IndexCache
from .download import MAX_SIZE, IndexDownload, unpack
from .table import IndexUnusable, OpenTable, open_table, table_file

PAGE = 1000  # names

T = TypeVar("T")


def choose(release: Release, arch: str, component: str = COMPONENT, where: str = "") -> IndexPin:
    """Return the pin of the index of `arch` listed in `release`, in the best supported compression."""
    pin = listed(release.files, f"{component}/binary-{arch}/Packages")
    name = release.name
    if arch not in release.architectures or pin is None:
        others = ", ".join(sorted({*release.architectures} - {arch, "all"}))
        raise IndexUnusable(
            f"{name} has no packages for {arch}",
            where=where,
            why=f"it has packages for {others}" if others else "it names no other architecture",
            hint="name one of these architectures, or another release",
        )
    if pin.size > MAX_SIZE:
        why = f"it has {pin.size} bytes; the limit is {MAX_SIZE}"
        raise IndexUnusable(f"The index of {name} is too large", where=where, why=why)
    return pin


def listed(files: Mapping[str, SuiteFile], path: str) -> IndexPin | None:
    """Return the pin of a file that a release lists uncompressed and compressed, or None."""
    plain = files.get(path)
    packed = next((files[path + end] for end in (".xz", ".gz") if path + end in files), None)
    return None if plain is None or packed is None else IndexPin(plain.sha256, plain.size, packed, plain.sha512)


class PackageIndex:
    """An open index: a suite's packages for one architecture.

    repair: makes damaged files of the cache again and opens them. The query that met the damage is then repeated.
    """

    def __init__(
        self, suite: Suite, arch: str, opened: OpenTable, repair: Callable[[DamagedBlock], OpenTable] | None = None
    ) -> None:
        self.suite = suite
        self.arch = arch
        self._text, self._table = opened
        self._repair = repair

    def names(self) -> Iterator[str]:
        return self.starting_with("")

    def packages(self, name: str) -> list[Package]:
        """Return all versions of a package: usually one, none if the package does not exist."""
        return [self._parse(text) for text in self.stanzas(name)]

    def providers(self, name: str) -> list[str]:
        """Return the names of the packages that provide `name`."""
        return self._ask(lambda: self._find(name)[1].decode("ascii").split())

    def stanzas(self, name: str) -> list[str]:
        """Return the stanzas of all versions of a package, in the order of `packages`."""
        return self._ask(lambda: [self._stanza(int(offset)) for offset in self._find(name)[0].split()])

    def content(self) -> Buffer:
        """Return the text of the index."""
        return self._ask(lambda: self._text.whole())

    def starting_with(self, prefix: str) -> Iterator[str]:
        """Yield the names of all packages that start with `prefix`, sorted."""
        if not prefix.isprintable() or not prefix.isascii():
            return
        start, at, names = prefix.encode(), -1, [""]
        while names:
            names, at = self._ask(partial(self._page, start, at))
            yield from names

    def _ask(self, query: Callable[[], T]) -> T:
        """Return the result of a query. Repair the cached files and repeat it if they are damaged."""
        try:
            return query()
        except DamagedBlock as error:
            if self._repair is None:
                raise
            self._text, self._table = self._repair(error)
        return query()

    def _page(self, start: bytes, at: int) -> tuple[list[str], int]:
        """Return the next packages that start with `start`, and the offset after them. at: -1 for the first ones."""
        table, names = self._table, list[str]()
        at = self._search(start) if at < 0 else at
        while at < len(table) and len(names) < PAGE and table[at : at + len(start)] == start:
            end = table.find(b"\n", at)
            name, offsets, _ = table[at:end].split(b"\t")
            at = end + 1
            if offsets:
                names.append(name.decode("ascii"))
        return names, at

    def _find(self, name: str) -> list[bytes]:
        """Return the offsets and the providers of a name, as text."""
        if not name.isprintable() or not name.isascii():
            return [b"", b""]  # a name with tabs or newlines could match several fields of a line
        table, key = self._table, name.encode() + b"\t"
        at = self._search(key)
        if table[at : at + len(key)] != key:
            return [b"", b""]
        return table[at + len(key) : table.find(b"\n", at)].split(b"\t")

    def _search(self, key: bytes) -> int:
        """Return the offset of the first line that is not less than `key`, by binary search."""
        table = self._table
        low, high = table.find(b"\n") + 1, len(table)  # after the header
        while low < high:
            middle = (low + high) // 2
            start = (table.rfind(b"\n", low, middle) + 1) or low
            if table[start : start + len(key)] < key:
                low = table.find(b"\n", middle) + 1
            else:
                high = start
        return low

    def _stanza(self, offset: int) -> str:
        most = offset + MAX_STANZA + 1  # what is longer is refused when it is parsed
        end = self._text.find(b"\n\n", offset, most)
        raw = self._text[offset : end if end >= 0 else most]
        try:
            return raw.decode("utf-8").rstrip("\n")
        except UnicodeDecodeError:
            return raw.decode("latin-1").rstrip("\n")  # old releases contain a few Latin-1 names of maintainers

    def _parse(self, text: str) -> Package:
        return parse_package(text, arch=self.arch, suite=self.suite.name, archive=self.suite.archive)


def open_cached(
    cache: IndexCache, pin: IndexPin, suite: Suite, arch: str, fetch: Callable[[], None] | None = None
) -> PackageIndex | None:
    """Open an index from the cache. Return None if it is missing or damaged, or if other users can change it.

    fetch: writes the text of the index to the cache; called if the text turns out to be damaged later.
    """
    opened = _load(cache, pin)
    if opened is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(cache.text(pin))  # mark the index as used, for `tidy`

    def repair(error: DamagedBlock) -> OpenTable:
        cache.table(pin).unlink(missing_ok=True)
        again = _load(cache, pin)
        if again is None and fetch is not None:
            fetch()
            again = _load(cache, pin)
        if again is None:
            raise IndexUnusable(
                f"The cached index of {suite.name} is damaged",
                where=str(cache.text(pin)),
                why=error.why or error.what,
                hint="it was deleted from the cache; run the command again to fetch it",
            )
        return again

    return PackageIndex(suite, arch, opened, repair)


def _load(cache: IndexCache, pin: IndexPin) -> OpenTable | None:
    """Map an index and its table. Make the table if it is missing or damaged. Delete a damaged text."""
    if exposed(os.fspath(cache.directory)):
        return None
    try:
        text = _map(cache.text(pin))
        if len(text) != pin.size:
            return None
        with contextlib.suppress(DamagedBlock, FileNotFoundError):
            return open_table(text, _map(cache.table(pin)), pin)
        try:
            made = table_file(text, pin, pin.packed.path)
        except DamagedBlock:
            cache.text(pin).unlink(missing_ok=True)
            return None
        cache.keep(cache.table(pin), made)
        return open_table(text, made, pin)
    except OSError:
        return None


def _map(path: Path) -> Buffer:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if open_to_others(status):
            raise PermissionError(errno.EACCES, "other users can change it", os.fspath(path))
        if status.st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def open_index(download: IndexDownload, arch: str) -> PackageIndex:
    """Open an index from the cache or the mirrors. Raise IndexGone if mirrors answer but none of them has it."""
    cache, pin, suite = download.cache, download.pin, download.suite

    def fetch() -> None:
        with download.opened() as (packed, url):
            unpack(packed, cache, pin, where=url, check=download.check)
            cache.tidy()
            cache.keep(cache.table(pin), table_file(_map(cache.text(pin)), pin, url))

    index = open_cached(cache, pin, suite, arch, fetch)
    if index is None:
        fetch()
        index = open_cached(cache, pin, suite, arch, fetch)
    if index is None:
        hint = "run the command again, or set XDG_CACHE_HOME to another directory"
        raise IndexUnusable(f"The cached index of {suite.name} cannot be read", where=str(cache.text(pin)), hint=hint)
    return index
