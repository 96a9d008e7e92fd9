"""Answer questions about an image in a file from its manifest.

No store, network, project or evaluation is used. The manifest is trusted; `fpack verify` checks it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpack.builders.manifest.format import CONFIGURED, DIRECTORY, GENERATED, ManifestEntry, ManifestLayer
from fpack.store.errors import FpackError
from fpack.store.path import parse

from .inspect import (
    FROM_BASE,
    GRAFTED,
    OWN,
    RULES,
    UNRECORDED,
    GraftedFile,
    ImageFile,
    ImageLayer,
    ImageSlice,
    Match,
)  # fmt: skip

if TYPE_CHECKING:
    from fpack.builders.manifest.dependencies import PackageLoad
    from fpack.builders.manifest.format import BaseRecord
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.store.derivation import Derivation

    from .image_file import StoredImage


class StoredSubject:
    """An image in a file. All answers come from its manifest, those of `layers` also without one."""

    def __init__(self, image: StoredImage) -> None:
        self.image = image

    def manifest(self) -> ManifestReader:
        """Return a new reader of the image's manifest. Raise VerifyError if it has none."""
        from . import image_file

        return image_file.manifest(self.image)

    def packages(self) -> list[ImageSlice]:
        """Return the packages. If the manifest does not say why they are there, derive it from their dependencies."""
        reader = self.manifest()
        paths = {item.package: item for item in reader.head.paths if item.package}
        reasons = {}
        if any(item.reason is None for item in paths.values()):
            reasons = _declared_reasons(_dependencies(reader), paths)
        found = []
        for name, item in sorted(paths.items()):
            by, kind, file, what = item.reason or reasons.get(name, ("", UNRECORDED, "", ""))
            found.append(ImageSlice(name, item.version, item.path, by if by in paths else None, kind, file, what))
        return found

    def left_out(self) -> dict[str, list[str]]:
        """Return nothing: a manifest does not tell it."""
        return {}

    def base(self) -> BaseRecord | None:
        """Return the base that the manifest names."""
        from fpack.builders.verify import manifest_loading

        data = self.image.data
        return manifest_loading.head(data, str(self.image.file)).base if data is not None else None

    def built(self) -> list[ImageSlice]:
        """Return the store paths of builds. A manifest does not say which of them reference which."""
        replaced = {graft.by: f"{graft.file} of {graft.package}" for graft in self.grafts()}
        found = []
        for path in sorted(self.built_sizes(), key=_by_name):
            kind = GRAFTED if path in replaced else UNRECORDED
            found.append(ImageSlice(parse(path).name, "", path, None, kind, "", replaced.get(path, "")))
        return found

    def built_sizes(self) -> dict[str, int]:
        """Return the size of each store path of builds, by path."""
        found: dict[str, int] = {}
        for layer, entries in self.manifest().entries():
            found |= {path: found.get(path, 0) for path, prefix in layer.parts if prefix}
            for entry in entries:
                path, prefix = _part(layer, entry)
                if prefix:
                    found[path] += entry.size
        return found

    def sizes(self) -> dict[str, int]:
        """Return the size of each package's files."""
        reader = self.manifest()
        packages = {item.path: item.package for item in reader.head.paths if item.package}
        found = dict.fromkeys(packages.values(), 0)
        for layer, entry in entries_of(reader):
            if entry.origin is None and (name := packages.get(_part(layer, entry)[0])):
                found[name] += entry.size
        return found

    def closure(self) -> str | None:
        """Return how the image is closed, `linked` or `depends`, or None if its manifest has no root."""
        mode = next((str(root.args.get("mode")) for root in _roots(self.manifest())), None)
        return mode if mode in ("linked", "depends") else None

    def needs(self) -> dict[str, list[str]]:
        """Return the packages that each package needs. If the manifest does not say it, those that it depends on."""
        reader = self.manifest()
        paths = {item.package: item for item in reader.head.paths if item.package}
        if any(item.reason is None for item in paths.values()):
            return {name: [other for other in _dependencies(reader).get(name, ()) if other in paths] for name in paths}
        return {name: [other for other in item.needs if other in paths] for name, item in paths.items()}

    def loads(self) -> list[PackageLoad]:
        """Return nothing: a manifest says which packages load which, and a file of each package that brought one in."""
        return []

    def layers(self) -> list[ImageLayer]:
        """Return the layers. Without a manifest, their packages and the sizes of their files are not known."""
        sizes = [layer.size for layer in self.image.layers]
        if self.image.data is None:
            return [ImageLayer((), size, None) for size in sizes]
        reader = self.manifest()
        packages = {item.path: item.package for item in reader.head.paths if item.package}
        base = reader.head.base.layers if reader.head.base is not None else 0
        found: list[ImageLayer] = []
        for (layer, entries), size in zip(reader.entries(), sizes, strict=True):
            unpacked = configured = 0
            is_base = len(found) < base
            own = {FROM_BASE} if is_base else set()
            for entry in entries:
                unpacked += entry.size
                if not is_base and entry.kind != DIRECTORY and (word := _own(packages, layer, entry)):
                    own.add(word)
                configured += entry.kind != DIRECTORY and entry.origin is not None and entry.origin.kind == CONFIGURED
            names = tuple(packages[path] for path, _ in layer.parts if path in packages)
            found.append(ImageLayer(names, size, unpacked, configured, built_names(layer.parts), tuple(sorted(own))))
        return found

    def files(self) -> Iterator[ImageFile]:
        """Yield the files and symlinks, without sonames."""
        reader = self.manifest()
        packages = {item.path: item.package for item in reader.head.paths if item.package}
        for layer, entry in entries_of(reader):
            if entry.kind != DIRECTORY:
                yield match(packages, layer, entry), ""

    def grafts(self) -> list[GraftedFile]:
        """Return the exclusions that name a store path."""
        head = self.manifest().head
        packages = {item.path: item.package for item in head.paths if item.package}
        return [
            GraftedFile(packages.get(layer.parts[out.part][0], ""), f"/{os.fsdecode(out.path)}", out.by)
            for layer in head.layers
            for out in layer.excluded
            if out.reason == GRAFTED
        ]


def built_names(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of the parts of a layer that are at their store paths, such as built packages, not at `/`."""
    return tuple(parse(path).name for path, prefix in parts if prefix)


def _by_name(path: str) -> tuple[str, str]:
    return parse(path).name, path


def _own(packages: Mapping[str, str], layer: ManifestLayer, entry: ManifestEntry) -> str:
    """Return OWN or RULES for an entry that neither a package nor a build nor a script made, else ""."""
    if entry.origin is not None:
        return RULES if entry.origin.kind == GENERATED else ""
    path, prefix = _part(layer, entry)
    return "" if prefix or path in packages else OWN


def match(packages: Mapping[str, str], layer: ManifestLayer, entry: ManifestEntry) -> Match:
    """Return the origin of an entry. packages: by store path."""
    file, origin = os.fsdecode(entry.path), entry.origin
    if origin is not None:
        return Match(origin.package, file, origin.script, origin.sha256.hex(), origin.rule)
    path, prefix = _part(layer, entry)
    return Match(packages.get(path, ""), file, built=path if prefix else "")


def _part(layer: ManifestLayer, entry: ManifestEntry) -> tuple[str, str]:
    """Return the store path of an entry and its prefix, or "" for a parent directory of no part."""
    return layer.parts[entry.part] if entry.part is not None else ("", "")


def entries_of(reader: ManifestReader) -> Iterator[tuple[ManifestLayer, ManifestEntry]]:
    """Yield the entries of a manifest with their layers."""
    for layer, entries in reader.entries():
        for entry in entries:
            yield layer, entry


def _roots(reader: ManifestReader) -> list[Derivation]:
    """Return the derivation of the image's root, if it has one."""
    image = reader.derivations.get(reader.head.image.derivation)
    inputs = (reader.derivations.get(output.derivation.hex()) for output in image.inputs) if image is not None else ()
    return [drv for drv in inputs if drv is not None and drv.kind == "root"]


def _dependencies(reader: ManifestReader) -> dict[str, list[str]]:
    """Return the dependencies of each package by the derivation of the image's root; requested packages below ""."""
    found: dict[str, list[str]] = {"": []}
    try:
        for root in _roots(reader):
            for item in root.args["slices"]:
                found[str(item["package"])] = sorted(map(str, item["depends"]))
                found[""] += [str(item["package"])] if item["seed"] else []
    except (KeyError, TypeError) as error:
        raise FpackError("The manifest cannot be read", why=f"its root is malformed: {error}") from None
    return found


def _declared_reasons(
    depends: Mapping[str, list[str]], inside: Mapping[str, Any]
) -> dict[str, tuple[str, str, str, str]]:
    """Return the reason for each package of the image by the shortest chain of dependencies from a requested one."""
    found = {name: ("", "seed", "", "") for name in depends[""] if name in inside}
    todo = list(found)
    for package in todo:
        for name in depends.get(package, ()):
            if name in inside and name not in found:
                found[name] = (package, "depends", "", name)
                todo.append(name)
    return found
