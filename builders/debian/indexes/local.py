"""Find the indexes of a release: those that the lock pins, otherwise the newest in the cache, else the archive's.

For looking around: nothing is pinned by it, and the network is asked only when nothing is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..lock.records import Lock
from ..release import find_files
from ..suites import IndexPin, Suite
from .cache import IndexCache, cached_releases
from .package_index import PackageIndex, open_cached

if TYPE_CHECKING:
    from ..repository import DebianArchive
    from .merged import MergedIndex, NoSuchPackage


class AtHand(NamedTuple):
    """A suite's index and its pin. date: of the release that vouched for it (Unix seconds)."""

    pin: IndexPin
    opened: PackageIndex
    date: int


def at_hand(
    cache: IndexCache,
    lock: Lock,
    release: str,
    suites: Sequence[Suite],
    arch: str,
    archive: Callable[[], DebianArchive],
) -> list[AtHand]:
    """Return the indexes of a release: the lock's if they are available. Raise an FpackError if there are none."""
    found = locked(cache, lock, release, suites, arch)
    if len(found) == len(suites):
        return found
    found = newest(cache, suites, arch)
    if found:
        return found
    new = Lock()
    archive().refresh(new, release, suites, [arch])
    opened = archive().indexes(new, release, suites, arch)
    dates = {suite: pin.date for (_, suite), pin in new.suites.items()}
    return [AtHand(new.indexes[release, i.suite.label, arch], i, dates[i.suite.name]) for i in opened]


def locked(cache: IndexCache, lock: Lock, release: str, suites: Sequence[Suite], arch: str) -> list[AtHand]:
    """Return those of a release's indexes that the lock pins and the cache holds."""
    found = []
    for suite in suites:
        pin = lock.indexes.get((release, suite.label, arch))
        index = open_cached(cache, pin, suite, arch) if pin is not None else None
        if pin is not None and index is not None:
            found.append(AtHand(pin, index, lock.suites[release, suite.name].date))
    return found


def newest(cache: IndexCache, suites: Sequence[Suite], arch: str) -> list[AtHand]:
    """Return the newest index of each suite that the cache holds; none if the first suite's is missing.

    The cache keeps only releases whose signatures were good, and indexes that they vouched for.
    """
    best: dict[Suite, AtHand] = {}
    for name, date, data in cached_releases(cache):
        for suite in suites:
            if suite.name != name or (suite in best and best[suite].date >= date):
                continue
            path = f"{suite.component}/binary-{arch}/Packages"
            listed = find_files(data, re.escape(path)).get(path)
            pin = IndexPin(listed.sha256, listed.size, listed, listed.sha512) if listed is not None else None
            index = open_cached(cache, pin, suite, arch) if pin is not None else None
            if pin is not None and index is not None:
                best[suite] = AtHand(pin, index, date)
    return [best[suite] for suite in suites if suite in best] if suites[0] in best else []


def no_such_package(
    universe: MergedIndex,
    cache: IndexCache,
    lock: Lock,
    releases: Mapping[str, Sequence[Suite]],
    arch: str,
    release: str,
    name: str,
) -> NoSuchPackage:
    """Return the error for a package that `universe` lacks, with the other releases that have it, or similar names."""
    from .merged import NoSuchPackage, hint

    found = []
    for other, suites in releases.items():
        if other == release:
            continue
        indexes = locked(cache, lock, other, suites, arch) or newest(cache, suites, arch)
        if any(index.opened.packages(name) for index in indexes):
            found.append(other)
    return NoSuchPackage(f"There is no package {name!r} in {release} for {arch}", hint=hint(universe, name, found))
