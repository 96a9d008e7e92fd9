"""Resolve all requests of a release and architecture so that each package has the same version in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .lock import Depends, Lock, PackagePin
from .merged_index import MergedIndex
from .package import Package
from .resolver import resolve

Names = tuple[str, ...]


class MovedPackage(NamedTuple):
    """A change of a package's locked version. old: None if the package was added. new: None if it was removed."""

    release: str
    arch: str
    name: str
    old: str | None
    new: str | None


class RelockResult(NamedTuple):
    """The result for all requests: the packages of all of them, and the closure of each request."""

    packages: Mapping[str, Package]
    closures: Mapping[Names, Depends]


def settle(universe: MergedIndex, requests: Iterable[Names], prefer: Mapping[str, str]) -> RelockResult:
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
