"""List what of an image can have known vulnerabilities, from its manifest: source packages and locked packages.

Debian's and Ubuntu's packages are grouped by their source, since their vulnerabilities are. A source's version is that
of the lock: the `+bN` of a binary rebuild is not a part of it. A package without any file in the image is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.debian.lock.records import LockedDeb
from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.base_packages import APK
from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, BaseRecord, PathOrigin
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.sbom.lock_files import LockedPart
from fpack.builders.sbom.model import Component
from fpack.builders.sbom.provenance import Provenance, locked_component
from fpack.builders.sbom.purl import apk as apk_purl
from fpack.builders.sbom.purl import debian_source
from fpack.store.path import parse

from .model import BinaryPackage, Product

_ECOSYSTEMS = {"npm": "npm", "pypi": "PyPI", "golang": "Go", "cargo": "crates.io", "gem": "RubyGems"}
_DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu"}
_APK_SYSTEMS = {"alpine": "Alpine"}


class Inventory(NamedTuple):
    """The contents of an image. unidentified: what no vulnerability data can be about, such as builds of the project.

    unread: sources whose lock files are not at hand, so that the packages that they name are not known. unlocked:
    packages of a distribution whose source is not known, because the lock does not have them in this version. base: the
    image on whose layers this one stands, if not all of its own packages are known, or "". base_unread: why not.
    """

    products: tuple[Product, ...]
    unidentified: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unlocked: tuple[str, ...] = ()
    base: str = ""
    base_unread: tuple[str, ...] = ()


def of_lock(packages: Iterable[tuple[str, LockedDeb]]) -> tuple[Product, ...]:
    """Return the source packages of a lock. packages: release and package of each entry."""
    found: dict[tuple[str, str, str, str], Product] = {}
    for release, package in packages:
        if (product := _source(release, package)) is not None:
            _add(found, product)
    return tuple(sorted(found.values()))


def _source(release: str, package: LockedDeb) -> Product | None:
    """Return the source package of a binary package, or None if its archive is of no distribution with data."""
    distribution = package.archive.partition("-")[0]
    ecosystem = _DISTRIBUTIONS.get(distribution)
    if ecosystem is None:
        return None
    source, version = package.source, package.source_version
    url = debian_source(distribution, release, source, version)
    binary = BinaryPackage(package.name, package.version, package.arch, package.sha256, package.sha512)
    return Product(ecosystem, release, source, version, url, (binary,))


def _add(products: dict[tuple[str, str, str, str], Product], product: Product) -> None:
    """Add a product, or its binary packages to the one that is there."""
    known = products.setdefault(product[:4], product._replace(binaries=()))
    binaries = tuple(sorted({*known.binaries, *product.binaries}))
    products[product[:4]] = known._replace(binaries=binaries, base=known.base or product.base)


def of_base(base: BaseRecord) -> Iterator[Product]:
    """Yield the source packages of a base. A distribution that is not known is one without data."""
    found, debs = base_manifest.packages(base), base_manifest.hashes(base)
    system, version, codename = found.os_release
    for package in found.packages:
        sha256, sha512, _ = debs.get((package.name, package.version), ("", "", 0))
        binary = BinaryPackage(package.name, package.version, package.arch, sha256, sha512)
        source = (package.source, package.source_version)
        if package.kind == APK:
            number = ".".join(version.split(".")[:2])
            release = f"v{number}" if number else ""
            url = apk_purl(system or "alpine", *source, package.arch, version)
            yield Product(_APK_SYSTEMS.get(system, system or "apk"), release, *source, url, (binary,), base=True)
        else:
            release = codename or version
            url = debian_source(system or "debian", release, *source)
            yield Product(_DISTRIBUTIONS.get(system, system or "dpkg"), release, *source, url, (binary,), base=True)


def sources(reader: ManifestReader) -> dict[str, tuple[str, str]]:
    """Return name and tree of each source that a build in the image was made from, by the digest of its derivation."""
    return {
        digest: (reader.derivations[digest].name, str(reader.derivations[digest].args.get("tree")))
        for digest in _ManifestPaths(reader).sources()
    }


def inventory(reader: ManifestReader, locked: Mapping[str, Sequence[LockedPart]]) -> Inventory:
    """Return what is in an image. reader: an unused one. It is read to its end.

    locked: the packages that the lock files of sources name, by the digests of `sources`.
    """
    return _ManifestPaths(reader).inventory(locked)


class _ManifestPaths:
    """The store paths of a manifest, sorted into packages and builds, and what the manifest knows of them."""

    def __init__(self, reader: ManifestReader) -> None:
        self._reader = reader
        head = reader.head
        self._provenance = Provenance(head, reader.derivations)
        tables = {path for layer in head.layers for path, prefix in layer.parts if not prefix}
        self._packages = {origin.path: origin for origin in head.paths if origin.package}
        self._builds = [origin for origin in head.paths if not origin.package and origin.path not in tables]
        self._stop = frozenset(origin.derivation for origin in self._builds if origin.derivation is not None)

    def inventory(self, locked: Mapping[str, Sequence[LockedPart]]) -> Inventory:
        products: dict[tuple[str, str, str, str], Product] = {}
        unidentified, unlocked = set(), set()
        for origin in self._present():
            product = self._product(origin)
            if product is None:
                unlocked.add(f"{origin.package} {origin.version}")
                continue
            _add(products, product)
        for component in self._components(locked):
            if component.kind in _ECOSYSTEMS:
                product = Product(_ECOSYSTEMS[component.kind], "", component.name, component.version, component.purl)
                products.setdefault(product[:4], product)
            elif component.kind == "source" and not component.build_only:
                unidentified.add(f"{component.name} {component.version}".rstrip())
        unidentified |= {parse(origin.path).name for origin in self._builds if not self._is_known(origin)}
        unread = {self._reader.derivations[digest].name for digest in self.sources() if digest not in locked}
        base = self._reader.head.base
        if base is not None:
            for product in of_base(base):
                _add(products, product)
            unidentified |= {f"{name} of the base" for name in base_manifest.packages(base).builds}
        parts = (products.values(), unidentified, unread, unlocked)
        found = Inventory(*(tuple(sorted(part)) for part in parts))  # type: ignore[arg-type]
        if base is None or base_manifest.is_known(base):
            return found
        return found._replace(base=base.name, base_unread=base_manifest.unread(base))

    def _present(self) -> Iterator[PathOrigin]:
        """Yield the packages with a file or link in the image, or one that their maintainer scripts made."""
        present: set[str] = set()
        names: set[str] = set()
        for layer, entries in self._reader.entries():
            parts = [path for path, _ in layer.parts]
            for entry in entries:
                if entry.kind != DIRECTORY and entry.part is not None:
                    if entry.origin is None:
                        present.add(parts[entry.part])
                    elif entry.origin.kind == CONFIGURED:
                        names.add(entry.origin.package)
        for path, origin in self._packages.items():
            if path in present or origin.package in names:
                yield origin

    def _product(self, origin: PathOrigin) -> Product | None:
        """Return the source package of a package, or None if the lock does not have exactly this one."""
        package = self._provenance.locked.get(origin.package)
        if package is None or package.version != origin.version:
            return None
        return _source(self._provenance.release, package)

    def _behind(self) -> frozenset[str]:
        """Return the derivations that builds in the image, and what maintainer scripts made, were made from."""
        made = [origin.derivation for origin in self._builds]
        found = {digest for digest in made if digest is not None and digest in self._reader.derivations}
        for digest in (*made, *self._provenance.scripts()):
            found |= self._provenance.behind(digest, self._stop)
        return frozenset(found)

    def sources(self) -> list[str]:
        """Return the digests of the sources that can have lock files."""
        return self._provenance.sources(self._behind())

    def _components(self, locked: Mapping[str, Sequence[LockedPart]]) -> list[Component]:
        behind = self._behind()
        found = self._provenance.components(behind)
        for digest in self._provenance.sources(behind):
            found += [locked_component(part) for part in locked.get(digest, ())]
        return found

    def _is_known(self, origin: PathOrigin) -> bool:
        """Return whether a build is itself a package of a registry."""
        made = [origin.derivation] if origin.derivation in self._reader.derivations else []
        return any(component.kind in _ECOSYSTEMS for component in self._provenance.components(made))
