"""Resolve all requests of a release and architecture so that each package has the same version in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .indexes.merged import MergedIndex
from .lock.records import Depends, Lock, PackagePin
from .package import Package
from .resolver import resolve
from .suites import is_security
from .version import version_key

Names = tuple[str, ...]


class MovedPackage(NamedTuple):
    """A change of a package's locked version. old: None if the package was added. new: None if it was removed."""

    release: str
    arch: str
    name: str
    old: str | None
    new: str | None


class OutdatedPackage(NamedTuple):
    """A locked package that the archive has replaced. Dates are Unix seconds.

    date: of the index in which it was locked. newest: the highest version of all suites, None if no suite has the
    package. suite: that has it, and `published`: the date of that suite's index. security: the highest version of the
    security suites if it is newer than the locked one, else None.
    """

    release: str
    arch: str
    name: str
    source: str
    locked: str
    date: int
    newest: str | None
    suite: str
    published: int
    security: str | None


class RelockResult(NamedTuple):
    """The result for all requests: the packages of all of them, and the closure of each request."""

    packages: Mapping[str, Package]
    closures: Mapping[Names, Depends]


def resolve_all(universe: MergedIndex, requests: Iterable[Names], prefer: Mapping[str, str]) -> RelockResult:
    """Resolve every request, using the preferred versions that are possible in all requests.

    If requests disagree on a package's version, its preference is dropped and everything is resolved again. This
    terminates, since without preferences each package has only one candidate.
    """
    keep = dict(prefer)
    wanted = sorted(set(requests))
    while True:
        preferred = universe.preferring(keep)
        packages: dict[str, Package] = {}
        closures: dict[Names, Depends] = {}
        disputed: set[str] = set()
        for names in wanted:
            resolution = resolve(preferred, names)
            closures[names] = resolution.depends
            for name, package in resolution.packages.items():
                if packages.setdefault(name, package).version != package.version:
                    disputed.add(name)
        if not disputed:
            return RelockResult(packages, closures)
        keep = {name: version for name, version in keep.items() if name not in disputed}


def pin(package: Package, date: int, old: PackagePin | None) -> PackagePin:
    """Return the lock's entry for a package from an index of `date`. If nothing else changed, the old date is kept."""
    new = PackagePin(
        name=package.name,
        version=package.version,
        arch=package.arch,
        source=package.source,
        source_version=package.source_version,
        archive=package.archive,
        date=date,
        size=package.size,
        sha256=package.sha256,
        file=package.file,
        sha512=package.sha512,
    )
    return old if old is not None and old._replace(date=date, archive=new.archive, file=new.file) == new else new


def moves(release: str, before: Lock, after: Lock) -> list[MovedPackage]:
    """Return the version changes of a release between two locks, sorted."""
    found = []
    for key in sorted(before.packages.keys() | after.packages.keys()):
        if key[0] == release:
            old, new = before.packages.get(key), after.packages.get(key)
            if (old and old.version) != (new and new.version):
                found.append(MovedPackage(*key, old and old.version, new and new.version))
    return found


def security_versions(universe: MergedIndex, pins: Mapping[str, str]) -> dict[str, str]:
    """Return the highest version in security suites of each package of `pins`, if it is newer than that of `pins`."""
    found = {}
    for name, locked in pins.items():
        versions = [package.version for package in universe.current(name) if is_security(package.suite)]
        highest = max(versions, key=version_key, default=None)
        if highest is not None and version_key(highest) > version_key(locked):
            found[name] = highest
    return found


def outdated(lock: Lock, release: str, arch: str, universe: MergedIndex) -> list[OutdatedPackage]:
    """Return the locked packages that the archive has replaced, sorted. universe: of the current indexes in `lock`."""
    found = []
    for (r, a, name), pin in sorted(lock.packages.items()):
        if (r, a) != (release, arch):
            continue
        newest = max(universe.current(name), key=lambda package: version_key(package.version), default=None)
        security = security_versions(universe, {name: pin.version}).get(name)
        if newest is None or version_key(newest.version) > version_key(pin.version):
            suite = newest.suite if newest is not None else ""
            published = lock.suites[release, suite.partition("/")[0]].date if suite else 0
            version = newest and newest.version
            found.append(
                OutdatedPackage(
                    release, arch, name, pin.source, pin.version, pin.date, version, suite, published, security
                )
            )
    return found
