"""Tell why packages, builds and files of an image's base are there, by what the image's manifest has of the base."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.format import DIRECTORY, BaseRecord
from fpack.cli.images.inspect import BASE, ImageFile, ImageSlice, Match
from fpack.store.path import parse

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader


def packages(base: BaseRecord) -> list[ImageSlice]:
    """Return the packages of a base, sorted by name. Only a manifest of its own tells which brought in which."""
    known = base_manifest.paths(base)
    found: dict[str, ImageSlice] = {}
    for package in base_manifest.packages(base).packages:
        origin = known.get(package.name)
        reason = origin.reason if origin is not None and origin.version == package.version else None
        why: tuple[Any, ...] = (None, BASE, "", base.name)
        if reason is not None and reason.by in known:
            why = reason
        path = origin.path if origin is not None else ""
        found.setdefault(package.name, ImageSlice(package.name, package.version, path, *why))
    return sorted(found.values())


def built(base: BaseRecord) -> list[ImageSlice]:
    """Return the builds of a base, by name."""
    paths = [path for path, origin in base_manifest.paths(base).items() if not origin.package]
    return sorted(ImageSlice(parse(path).name, "", path, None, BASE, "", base.name) for path in paths)


def files(reader: ManifestReader) -> Iterator[ImageFile]:
    """Yield the files and symlinks of the base of an image. reader: an unused one of the image's manifest."""
    base = reader.head.base
    assert base is not None
    for number, (_, entries) in enumerate(reader.entries()):
        if number >= base.layers:
            return
        owners = base_manifest.owners(base.own, number) if base.own is not None else repeat("")
        for entry in entries:
            if entry.kind != DIRECTORY:
                yield _match(os.fsdecode(entry.path), next(owners, ""), base.name), ""


def _match(file: str, owner: str, base: str) -> Match:
    if owner.startswith("/"):
        return Match("", file, built=owner)
    return Match(owner, file) if owner else Match("", file, base=base)
