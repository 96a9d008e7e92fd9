"""Keep the earlier indexes that a lock needs: those with locked packages that the archive has replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError

from ..lock.records import EarlierIndex, EarlierKey, Lock
from ..package import Package
from ..suites import labelled, show_date
from .merged import MergedIndex

if TYPE_CHECKING:
    from ..repository import DebianArchive


def forget(lock: Lock, release: str) -> None:
    """Remove the earlier indexes of a release from a lock."""
    lock.earlier = {key: found for key, found in lock.earlier.items() if key[0] != release}


def remember(
    archive: DebianArchive, lock: Lock, key: EarlierKey, found: EarlierIndex, say: Callable[[str], None] | None
) -> None:
    """Add an earlier index to a lock if it is on this machine or a mirror still has it. say: reports if it is not."""
    _, label, arch, _ = key
    try:
        archive.open(found.pin, labelled(label, found.suite.archive), arch, found.suite.date)
    except FpackError as error:
        if say is not None:
            say(
                f"warning: the index of {label} of {show_date(found.suite.date)} is no longer available, so its "
                f"packages that the archive has replaced cannot keep their version. {error}"
            )
    else:
        lock.earlier[key] = found


def prune(archive: DebianArchive, lock: Lock, release: str, arch: str, current: MergedIndex) -> None:
    """Leave in a lock only the earlier indexes that have a package of the lock which no current index has."""
    earlier = {key: found for key, found in lock.earlier.items() if (key[0], key[2]) == (release, arch)}
    if not earlier:
        return
    missing = {
        name: (pin.sha256, pin.sha512)
        for (r, a, name), pin in lock.packages.items()
        if (r, a) == (release, arch) and (pin.sha256, pin.sha512) not in _digests(current.current(name))
    }
    for key, found in earlier.items():
        index = archive.open(found.pin, labelled(key[1], found.suite.archive), arch, found.suite.date)
        listed = {name for name, digests in missing.items() if digests in _digests(index.packages(name))}
        if not listed:
            del lock.earlier[key]
        for name in listed:
            del missing[name]


def needed(
    lock: Lock, release: str, arch: str, universe: MergedIndex, keep: Mapping[str, str]
) -> dict[EarlierKey, EarlierIndex]:
    """Return the indexes of a lock that may have kept packages, if the current ones lack some of these.

    universe: of the current indexes.
    """
    lost = (name for name, version in keep.items() if version not in {p.version for p in universe.current(name)})
    if next(lost, None) is None:
        return {}
    found = {key: earlier for key, earlier in lock.earlier.items() if (key[0], key[2]) == (release, arch)}
    for (r, label, a), index in lock.indexes.items():
        if (r, a) == (release, arch):
            suite = lock.suites[release, label.partition("/")[0]]
            found[release, label, arch, index.sha256 or index.sha512] = EarlierIndex(suite, index)
    return found


def _digests(packages: Iterable[Package]) -> set[tuple[str, str]]:
    return {(package.sha256, package.sha512) for package in packages}
