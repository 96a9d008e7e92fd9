"""Make the components of the packages and builds of an image's base from what the manifest lists of it."""

from __future__ import annotations

from collections.abc import Iterator

from fpack.builders.manifest import base_manifest
from fpack.builders.manifest.base_packages import APK
from fpack.builders.manifest.format import BaseRecord
from fpack.store.path import parse

from .components import described
from .model import Component, Hashes
from .provenance import split_name
from .purl import apk, cpe, debian, debian_source, upstream_version


def components(base: BaseRecord) -> Iterator[tuple[str, Component, Component | None]]:
    """Yield each package and build of a base by its name or path, and its source package, if it is known."""
    found = base_manifest.packages(base)
    system, version, codename = found.os_release
    debs = base_manifest.hashes(base)
    for package in found.packages:
        kind, name, own, arch, source, source_version = package
        if kind == APK:
            url = apk(system or "alpine", name, own, arch, version, source)
            yield name, Component(url, kind, name, own, arch, url, cpe("a", "", source, own), base=base.name), None
            continue
        release, distribution = codename or version, system or "debian"
        url = debian(distribution, release, name, own, arch, source, source_version)
        name_of_source = cpe("a", "", source, upstream_version(source_version))
        url_of_source = debian_source(distribution, release, source, source_version)
        about = (url_of_source, "deb-source", source, source_version, "source", url_of_source, name_of_source)
        sha256, sha512, size = debs.get((name, own), ("", "", 0))
        component = Component(url, kind, name, own, arch, url, name_of_source, base=base.name)
        yield name, component._replace(hashes=Hashes(sha256=sha256, sha512=sha512), size=size), Component(*about)
    meta = base_manifest.descriptions(base)
    for owner, origin in base_manifest.paths(base).items():
        if not origin.package:
            path = parse(owner)
            built = Component(f"path:{path.base}", "build", *split_name(path.name), base=base.name)
            yield owner, described(built, meta.get(owner)), None
