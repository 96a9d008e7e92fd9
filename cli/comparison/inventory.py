"""List what an image, by its manifest, or a lock has, for a comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fpack.builders.manifest.format import DIRECTORY, ManifestEntry, ManifestLayer
from fpack.store.path import HASH_CHARS, STORE

from .model import IMAGE, LOCK, NO_OWNER, ComparedPackage, FileState, PackageKey, SideInventory
from .settings import settings

if TYPE_CHECKING:
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.manifest.reader import ManifestReader

_STORE = STORE.lstrip("/") + "/"


def of_image(name: str, reader: ManifestReader) -> SideInventory:
    """Return what an image has. reader: of its manifest, whose entries are read."""
    head = reader.head
    locked = {pin.name: pin for pin in head.lock.packages}
    packages: dict[PackageKey, ComparedPackage] = {}
    owners: dict[str, str] = {}
    for item in head.paths:
        owners[item.path] = item.package or item.path[len(STORE) + HASH_CHARS + 2 :]
        if item.package:
            package = ComparedPackage(item.package, item.version, head.lock.release, head.image.arch)
            if (pin := locked.get(item.package)) is not None:
                package = package._replace(
                    arch=pin.arch, source=pin.source, source_version=pin.source_version, archive=pin.archive,
                    date=pin.date, size=pin.size, sha256=pin.sha256, file=pin.file,
                    sha512=pin.sha512,
                )  # fmt: skip
            packages["", "", item.package] = package
    files: dict[str, FileState] = {}
    sizes = dict.fromkeys((package.name for package in packages.values()), 0)
    for layer, entries in reader.entries():
        for entry in entries:
            if entry.part is None:
                continue  # a parent directory
            owner = _owner(layer, entry, owners)
            path = os.fsdecode(entry.path)
            plain = _without_hash(path)
            path = plain if plain not in files else path
            files[path] = FileState(
                entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.sha256, entry.target, owner
            )
            if entry.kind != DIRECTORY:
                sizes[owner] = sizes.get(owner, 0) + entry.size
    return SideInventory(
        name=name,
        form=IMAGE,
        packages=packages,
        sizes=sizes,
        files=files,
        settings=settings(head.image.configuration),
        digest=head.image.manifest.digest,
        compressed=sum(layer.blob.size for layer in head.layers),
    )


def of_lock(name: str, lock: Lock) -> SideInventory:
    """Return what a lock has. The size of a package is that of its file."""
    packages: dict[PackageKey, ComparedPackage] = {}
    sizes: dict[str, int] = {}
    for (release, arch, package), pin in lock.packages.items():
        packages[release, arch, package] = ComparedPackage(
            pin.name, pin.version, release, arch, pin.source, pin.source_version, pin.archive, pin.date, pin.size,
            pin.sha256, pin.file, pin.sha512,
        )  # fmt: skip
        sizes[package] = sizes.get(package, 0) + pin.size
    return SideInventory(name, LOCK, packages, sizes)


def _owner(layer: ManifestLayer, entry: ManifestEntry, owners: Mapping[str, str]) -> str:
    """Return the package, or the name of the build, that an entry is of, or NO_OWNER."""
    if entry.origin is not None:
        return entry.origin.package or NO_OWNER
    assert entry.part is not None
    path, prefix = layer.parts[entry.part]
    found = owners.get(path, NO_OWNER)
    # A part at the root of the image that is no package's has the files of the container.
    return found if prefix or _is_package(path, owners) else NO_OWNER


def _is_package(path: str, owners: Mapping[str, str]) -> bool:
    return owners.get(path) != path[len(STORE) + HASH_CHARS + 2 :]


def _without_hash(path: str) -> str:
    """Return a path in which a store path has no hash, which differs from build to build."""
    if not path.startswith(_STORE) or len(path) <= len(_STORE) + HASH_CHARS:
        return path
    return _STORE + path[len(_STORE) + HASH_CHARS + 1 :]
