"""Fetch packages for the comparison of an image with the versions that fix its vulnerabilities.

The packages come from the archive of the release of the image's lock, its security suite included: the signed indexes
are checked as for an update of a lock, each .deb has the digest that its index has, and .debs and payloads go into the
store as those of every other package. No lock changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.suites import ALL_RELEASES
from fpack.builders.debian.version import version_key
from fpack.store.derivation import Derivation, Output

if TYPE_CHECKING:
    from fpack.builders.debian.indexes.merged import MergedIndex
    from fpack.builders.debian.package import Package
    from fpack.builders.manifest.format import LockPart

    from .workspace import Workspace


class FetchedPackages(NamedTuple):
    """The binary packages of a version of a source. payloads: the derivation of each in hexadecimal, by its name.

    absent: why there are none, else "".
    """

    version: str
    payloads: Mapping[str, str]
    absent: str = ""


class FixedPackages:
    """The archive of an image's lock. lock: the part of it that the image's manifest has."""

    def __init__(self, workspace: Workspace, lock: LockPart) -> None:
        self._workspace = workspace
        self._lock = lock
        self._dates = {(pin.archive, pin.file): pin.date for pin in lock.packages}

    def fetch(self, source: str, names: Sequence[str], accepts: Callable[[str], bool]) -> FetchedPackages:
        """Fetch binary packages of the lowest version of a source that the archive has and `accepts` takes.

        Raise FpackError if the archive cannot be reached, or does not prove what it sends.
        """
        from .package_derivations import of_package

        release = self._lock.release
        if release not in ALL_RELEASES:
            return FetchedPackages("", {}, f"fpack knows no archive of the release {release or '-'}")
        index, published = self._current
        versions: dict[str, dict[str, Package]] = {}
        for name in names:
            for package in index.current(name):
                if package.source == source:
                    versions.setdefault(package.source_version, {}).setdefault(name, package)
        complete = [version for version, found in versions.items() if found.keys() >= {*names} and accepts(version)]
        if not complete:
            return FetchedPackages("", {}, f"the archive of {release} has no version of {source} that fixes it")
        version = min(complete, key=version_key)
        bodies: dict[bytes, bytes] = {}
        payloads = {}
        for name, package in versions[version].items():
            made = of_package(package)
            bodies |= made.bodies
            payloads[name] = made.payload
            self._dates[package.archive, package.file] = published[package.suite.partition("/")[0]]
        self._realise(bodies, [*payloads.values()])
        return FetchedPackages(version, {name: made.derivation.hex() for name, made in payloads.items()})

    def fetch_own(self, derivations: Mapping[str, Derivation], wanted: Iterable[str]) -> None:
        """Fetch packages of the image that are not in the store. wanted: the derivations of their payloads.

        derivations: those of the manifest, by digest. Only files of the archive are fetched. Raise FpackError if one
        is unavailable.
        """
        bodies: dict[bytes, bytes] = {}
        outputs = []
        for digest in wanted:
            payload = derivations[digest]
            files = {output.derivation: derivations.get(output.derivation.hex()) for output in payload.inputs}
            known = {key: drv.encode() for key, drv in files.items() if drv is not None and _is_of_archive(drv)}
            if payload.kind == "deb" and known.keys() == files.keys():
                bodies |= {**known, bytes.fromhex(digest): payload.encode()}
                outputs.append(Output(bytes.fromhex(digest)))
        self._realise(bodies, outputs)

    def _realise(self, bodies: Mapping[bytes, bytes], outputs: Sequence[Output]) -> None:
        """Build outputs. The mirrors learn when each file was in the archive."""
        if not outputs:
            return
        workspace = self._workspace
        workspace.evaluator.derivations.update(bodies)
        before = workspace.mirrors.dated
        workspace.mirrors.dated = lambda archive, path: self._dates.get((archive, path))
        try:
            workspace.realise(outputs)
        finally:
            workspace.mirrors.dated = before

    @cached_property
    def _current(self) -> tuple[MergedIndex, Mapping[str, int]]:
        """The current packages of the release, and the date of each suite's index.

        An index that is older than that of the image's lock is refused.
        """
        from fpack.builders.debian.indexes.merged import MergedIndex
        from fpack.builders.debian.lock.records import Lock, SuitePin

        from .package_lookup import archive

        pinned, lock = self._lock, Lock()
        release, suites = pinned.release, ALL_RELEASES[pinned.release]
        for suite in pinned.suites:
            pin = SuitePin(release, suite.suite, suite.archive, suite.date, suite.until, suite.sha256)
            lock.suites[release, suite.suite] = pin
        found = archive(self._workspace)
        found.refresh(lock, release, suites, [pinned.arch])
        index = MergedIndex(found.indexes(lock, release, suites, pinned.arch))
        return index, {name: pin.date for (_, name), pin in lock.suites.items()}


def _is_of_archive(drv: Derivation) -> bool:
    """Return whether a derivation is a file of a distribution's archive."""
    urls = drv.args.get("urls")
    is_list = isinstance(urls, list | tuple) and bool(urls)
    return drv.kind == "fetch" and is_list and all(str(url).startswith("mirror://") for url in urls or ())
