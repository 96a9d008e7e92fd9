"""Make the components of the packages of an image's base from what the manifest lists of its databases."""

from __future__ import annotations

from collections.abc import Iterator

from fpack.builders.manifest.base_packages import APK, BasePackages
from fpack.builders.manifest.format import BaseRecord

from .model import Component
from .purl import apk, cpe, debian, debian_source, upstream_version


def components(base: BaseRecord) -> Iterator[tuple[Component, Component | None]]:
    """Yield each package of a base, and its source package, of which none is known of apk's."""
    found = base.packages or BasePackages()
    system, version, codename = found.os_release
    for package in found.packages:
        kind, name, own, arch, source, source_version = package
        if kind == APK:
            url = apk(system or "alpine", name, own, arch, version, source)
            yield Component(url, kind, name, own, arch, url, cpe("a", "", source, own), base=base.name), None
            continue
        release, distribution = codename or version, system or "debian"
        url = debian(distribution, release, name, own, arch, source, source_version)
        name_of_source = cpe("a", "", source, upstream_version(source_version))
        url_of_source = debian_source(distribution, release, source, source_version)
        about = (url_of_source, "deb-source", source, source_version, "source", url_of_source, name_of_source)
        yield Component(url, kind, name, own, arch, url, name_of_source, base=base.name), Component(*about)
