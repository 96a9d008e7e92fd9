"""Fetch the Contents indexes that a signed release lists, and keep their rows in the cache, by the index's digest.

A release of Debian lists `main/Contents-ARCH`, without the packages for all architectures, and `main/Contents-all`. One
of Ubuntu lists `Contents-ARCH`, with the packages of all components. Only the kept rows are cached, which are a
hundredth of the text.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence

from fpack.store.files import disk_cache

from ..indexes.cache import IndexCache, cached_releases
from ..indexes.download import IndexDownload, unpacked
from ..indexes.package_index import listed
from ..lock.records import Lock
from ..release import find_files
from ..suites import COMPONENT, IndexPin, Suite, SuiteFile
from .index import ContentsIndex
from .table import FORMAT, FileTable, pack_rows
from .text import parse_rows


def contents_pins(files: Mapping[str, SuiteFile], arch: str, component: str = COMPONENT) -> list[IndexPin]:
    """Return the pins of the indexes for an architecture among the files of a release. Empty ones are left out."""
    pins = [listed(files, f"{component}/Contents-{name}") for name in (arch, "all")]
    found = [pin for pin in pins if pin is not None]
    if not found and component == COMPONENT and (whole := listed(files, f"Contents-{arch}")) is not None:
        found = [whole]
    return [pin for pin in found if pin.size]


def cached_table(cache: IndexCache, pin: IndexPin) -> FileTable | None:
    """Open the cached rows of an index. Return None if they are missing or damaged."""
    name = _name(pin)
    data = disk_cache.read(cache.directory, name)
    if data is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(cache.directory / name)  # mark it as used, for `IndexCache.tidy`
    return FileTable(data)


def fetch_table(download: IndexDownload) -> FileTable:
    """Download an index and cache its rows. Raise IndexGone if no mirror has it."""
    with download.opened() as (packed, url):
        data = pack_rows(parse_rows(unpacked(packed, download.pin, where=url, check=download.check), url))
        download.cache.tidy()
    disk_cache.write(download.cache.directory, _name(download.pin), data)
    return FileTable(memoryview(data))


def open_cached(
    cache: IndexCache, lock: Lock, release: str, suites: Sequence[Suite], arch: str, *, exact: bool = False
) -> ContentsIndex | None:
    """Open the index of files of a release without the network; None if its main suite's is not in the cache.

    It is the one of the suites that `lock` pins, else the newest in the cache. exact: None as well if there is none of
    the newest release of a suite.
    """
    tables: list[FileTable] = []
    dates = [0]
    for suite in suites:
        for date, data in _candidates(cache, lock, release, suite):
            files = find_files(data, rf"(?:{suite.component}/)?Contents-[\w.-]+")
            found = [cached_table(cache, pin) for pin in contents_pins(files, arch, suite.component)]
            opened = [table for table in found if table is not None]
            if len(opened) == len(found):
                tables += opened
                dates.append(date)
                break
            if exact:
                return None
        else:
            if exact or suite is suites[0]:
                return None
    return ContentsIndex(release, arch, max(dates), tables) if tables else None


def _candidates(cache: IndexCache, lock: Lock, release: str, suite: Suite) -> Iterator[tuple[int, bytes]]:
    """Yield the date and text of those cached releases of a suite that may be used, newest first."""
    pin = lock.suites.get((release, suite.name))
    found = [(date, data) for codename, date, data in cached_releases(cache) if codename == suite.name]
    for date, data in sorted(found, reverse=True):
        if pin is None or hashlib.sha256(data).hexdigest() == pin.sha256:
            yield date, data


def _name(pin: IndexPin) -> str:
    return f"{pin.key}.contents{FORMAT}"
