"""Fit all requests of a release and architecture to a universe, so that a package has one version in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .lock import Depends, Lock, PackagePin
from .merged_index import Merged
from .package import Package
from .resolver import resolve

Names = tuple[str, ...]


class Moved(NamedTuple):
    """A package whose locked version changed; `old` or `new` is None when it came or went."""

    release: str
    arch: str
    name: str
    old: str | None
    new: str | None


class Settled(NamedTuple):
    """What the requests came to: the packages of all of them, and each one's dependencies."""

    packages: Mapping[str, Package]
    closures: Mapping[Names, Depends]


def settle(universe: Merged, requests: Iterable[Names], prefer: Mapping[str, str]) -> Settled:
    """Resolve every request, with the preferred versions where they can stand in all of them.

    A version that two requests would choose differently loses its preference, and all is done again; without
    preferences each package has one candidate, so this ends.
    """
    keep = dict(prefer)
    wanted = sorted(set(requests))
    while True:
        world = universe.preferring(keep)
        packages: dict[str, Package] = {}
        closures: dict[Names, Depends] = {}
        torn: set[str] = set()
        for names in wanted:
            resolution = resolve(world, names)
            closures[names] = resolution.depends
            for name, package in resolution.packages.items():
                if packages.setdefault(name, package).version != package.version:
                    torn.add(name)
        if not torn:
            return Settled(packages, closures)
        keep = {name: version for name, version in keep.items() if name not in torn}


def pin(package: Package, date: int, old: PackagePin | None) -> PackagePin:
    """The lock's entry of a package, from an index of `date`. One that says the same keeps its date."""
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


def moves(release: str, before: Lock, after: Lock) -> list[Moved]:
    """What changed between two locks of a release, sorted."""
    found = []
    for key in sorted(before.packages.keys() | after.packages.keys()):
        if key[0] == release:
            old, new = before.packages.get(key), after.packages.get(key)
            if (old and old.version) != (new and new.version):
                found.append(Moved(*key, old and old.version, new and new.version))
    return found
