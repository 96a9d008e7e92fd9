"""Package URLs and CPE names: what is encoded in them, and that the packages' own library reads the same."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.purl import cpe, debian, debian_source, purl, upstream_version


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            ("libc6", "2.41-12+deb13u5", "amd64", "glibc", "2.41-12+deb13u5"),
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=trixie&upstream=glibc%402.41-12%2Bdeb13u5",
        ),
        # A rebuild has the source of the version without `+b1`.
        (
            ("zlib1g", "1:1.3.1-1+b1", "arm64", "zlib", "1:1.3.1-1"),
            "pkg:deb/debian/zlib1g@1:1.3.1-1%2Bb1?arch=arm64&distro=trixie&upstream=zlib%401:1.3.1-1",
        ),
        (
            ("bash", "5.2.37-2+b10", "amd64", "bash", "5.2.37-2"),
            "pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64&distro=trixie&upstream=bash%405.2.37-2",
        ),
        (
            ("g++", "4:14.2.0-1", "amd64", "gcc-defaults", "1.220"),
            "pkg:deb/debian/g%2B%2B@4:14.2.0-1?arch=amd64&distro=trixie&upstream=gcc-defaults%401.220",
        ),
        (("dash", "0.5~rc1-1", "all", "dash", "0.5~rc1-1"), "pkg:deb/debian/dash@0.5~rc1-1?arch=all&distro=trixie"),
        (("dash", "0.5-1", "amd64", "", ""), "pkg:deb/debian/dash@0.5-1?arch=amd64&distro=trixie"),
    ],
)
def test_a_debian_package_names_its_source_if_that_differs(given: tuple[str, ...], wanted: str) -> None:
    name, version, arch, source, source_version = given
    assert debian("debian", "trixie", name, version, arch, source, source_version) == wanted


def test_a_source_package_has_the_architecture_source() -> None:
    wanted = "pkg:deb/ubuntu/linux@6.8.0-1%2Bx?arch=source&distro=noble"
    assert debian_source("ubuntu", "noble", "linux", "6.8.0-1+x") == wanted


def test_a_package_url_is_read_as_it_was_written() -> None:
    packageurl = pytest.importorskip("packageurl")
    for parts in (
        ("deb", "debian", "g++", "1:2~3+b1", {"arch": "amd64", "upstream": "a+b@1:2~3"}),
        ("npm", "@scope", "name", "1.0.0-beta+1", {}),
        ("golang", "example.org/a/b", "c", "v1.2.3", {}),
        ("oci", "", "postgres", "sha256:00ff", {"arch": "amd64"}),
        ("generic", "", "a file ü", "1", {"download_url": "https://example.org/a?b=c&d=e%20f"}),
    ):
        kind, namespace, name, version, qualifiers = parts
        written = purl(kind, namespace, name, version, qualifiers)
        found = packageurl.PackageURL.from_string(written)
        assert (found.type, found.namespace or "", found.name, found.version) == (kind, namespace, name, version)
        assert found.qualifiers == qualifiers and found.to_string() == written


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("1:2.0+dfsg-1", "2.0+dfsg"), ("2026f-0+deb13u1", "2026f"), ("13.8", "13.8"), ("1.0-rc1-2", "1.0-rc1")],
)
def test_the_upstream_version_has_neither_epoch_nor_revision(version: str, wanted: str) -> None:
    assert upstream_version(version) == wanted


def test_a_cpe_quotes_what_has_a_meaning_in_it() -> None:
    assert cpe("a", "", "G++", "1.0+x~y:z") == r"cpe:2.3:a:*:g\+\+:1.0\+x\~y\:z:*:*:*:*:*:*:*"
    assert cpe("o", "debian", "debian_linux", "") == "cpe:2.3:o:debian:debian_linux:*:*:*:*:*:*:*:*"
