"""A bill is matched with advisories that are keyed by source package, by the rules of Dependency-Track 5.0.4.

These are: the type, namespace and name of the package URLs are equal; so are their distributions, if both name one; the
version is in the range of the advisory, by the order of the package's ecosystem. Other qualifiers do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import pytest
from fpack.builders.debian.version import version_key
from support.reports.billed import Billed

SOURCE = "pkg:deb/debian/shared?arch=source&distro=trixie"


class Url(NamedTuple):
    """The parts of a package URL that count."""

    kind: str
    namespace: str
    name: str
    version: str
    distro: str
    arch: str


def url(text: str) -> Url:
    path, _, query = text.removeprefix("pkg:").partition("?")
    qualifiers = {key: values[0] for key, values in parse_qs(query.replace("+", "%2B")).items()}
    path, _, version = path.partition("@")
    kind, *namespace, name = map(unquote, path.split("/"))
    version = unquote(version)
    if "epoch" in qualifiers:
        version = f"{qualifiers['epoch']}:{version}"
    return Url(kind, "/".join(namespace), name, version, qualifiers.get("distro", ""), qualifiers.get("arch", ""))


def affected(component: str, advisory: str, introduced: str, fixed: str) -> bool:
    """Return whether an advisory for versions from `introduced` up to but without `fixed` is about a component."""
    found, wanted = url(component), url(advisory)
    if found[:3] != wanted[:3] or (found.distro and wanted.distro and found.distro != wanted.distro):
        return False
    key = version_key(found.version)
    return version_key(introduced) <= key and (not fixed or key < version_key(fixed))


def purls(document: dict[str, Any]) -> Iterator[str]:
    for component in document.get("components", ()):
        yield component.get("purl", "")
    for package in document.get("packages", ()):
        for reference in package.get("externalRefs", ()):
            if reference["referenceType"] == "purl":
                yield reference["referenceLocator"]
    for element in document.get("@graph", ()):
        yield element.get("software_packageUrl", "")


@pytest.fixture(scope="module", params=["cyclonedx-1.6", "cyclonedx-1.7", "spdx-2.3", "spdx-3.0.1"])
def components(request: pytest.FixtureRequest, billed: Billed) -> list[str]:
    return [text for text in purls(billed.document(request.param)) if text.startswith("pkg:deb/")]


def matched(components: list[str], advisory: str, introduced: str = "0", fixed: str = "") -> list[str]:
    return [url(text).arch for text in components if affected(text, advisory, introduced, fixed)]


@pytest.mark.parametrize(
    ("introduced", "fixed", "found"),
    [
        ("0", "", ["source"]),
        ("0", "1:2.0+dfsg~rc1-1+deb13u1", ["source"]),
        ("0", "1:2.0+dfsg~rc1-1", []),  # fixed in the version of the source, of which the packages are rebuilds
        ("1:2.0+dfsg~rc1-1", "1:2.0+dfsg-1", ["source"]),
        ("1:2.0+dfsg-1", "", []),
        ("0", "3.0-1", []),  # without the epoch it is older
    ],
)
def test_an_advisory_about_a_source_is_found_once(
    components: list[str], introduced: str, fixed: str, found: list[str]
) -> None:
    """The source has two binary packages with other names, one of them rebuilt without changes."""
    assert matched(components, SOURCE, introduced, fixed) == found


def test_an_advisory_about_another_release_or_distribution_is_not_found(components: list[str]) -> None:
    assert matched(components, SOURCE.replace("trixie", "bookworm")) == []
    assert matched(components, SOURCE.replace("debian", "ubuntu")) == []
    assert matched(components, "pkg:deb/debian/shared") == ["source"]


def test_an_advisory_about_an_embedded_source_is_found_by_its_own_component(components: list[str]) -> None:
    assert matched(components, "pkg:deb/debian/other?arch=source", "0", "1:1+x-2") == ["source"]


def test_only_a_package_with_the_name_of_its_source_is_found_beside_it(components: list[str]) -> None:
    assert sorted(matched(components, "pkg:deb/debian/dash?arch=source&distro=trixie")) == ["amd64", "source"]
