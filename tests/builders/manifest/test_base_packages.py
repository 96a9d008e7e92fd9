"""The package databases of a base: what they list, and what of them cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.manifest.base_packages import BasePackage, BasePackages, from_value, is_database, read, to_value
from support.images import bases

STATUS = b"var/lib/dpkg/status"
APK = b"lib/apk/db/installed"


def test_dpkg_lists_what_is_installed_with_its_source() -> None:
    texts = {STATUS: bases.DPKG.encode(), b"etc/os-release": bases.os_release("debian", "13", "trixie")}
    found = read(texts, texts)
    assert found.os_release == ("debian", "13", "trixie")
    assert found.packages == (BasePackage("deb", "libgreet0", "1.0-2+b1", "amd64", "greet", "1.0-2"),)
    assert found.known


def test_a_source_without_a_version_has_that_of_the_package_without_the_rebuild() -> None:
    texts = {b"var/lib/dpkg/status.d/a": b"Package: a\nVersion: 2-1+b3\nArchitecture: amd64\nSource: b\n"}
    assert read(texts, texts).packages == (BasePackage("deb", "a", "2-1+b3", "amd64", "b", "2-1"),)


def test_apk_lists_packages_with_their_origin() -> None:
    texts = {APK: bases.APK.encode(), b"usr/lib/os-release": bases.os_release("alpine", "3.20.1")}
    found = read(texts, texts)
    assert found.packages == (
        BasePackage("apk", "busybox", "1.36.1-r29", "x86_64", "busybox", "1.36.1-r29"),
        BasePackage("apk", "libcrypto3", "3.3.1-r0", "x86_64", "openssl", "3.3.1-r0"),
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (STATUS, b"Package: a\nPackage: b\n"),
        (STATUS, b"Package: a b\nVersion: 1\nArchitecture: all\n"),
        (STATUS, b"Package: a\nVersion: 1\nArchitecture: all\nSource: x (1) y\n"),
        (STATUS, b"Version: 1\nArchitecture: all\n"),
        (APK, b"P:a\nnonsense\n"),
        (APK, b"P:\x1b[31m\nV:1\nA:x\n"),
    ],
)
def test_an_invalid_database_makes_the_packages_unknown(path: bytes, text: bytes) -> None:
    found = read({path: b""}, {path: text})
    assert not found.known
    assert f"/{path.decode()} is invalid" in found.unread[0]
    assert all(reason.isprintable() for reason in found.unread)


def test_a_base_with_another_database_or_one_that_is_too_large_is_not_known() -> None:
    texts = {STATUS: bases.DPKG.encode()}
    assert read([*texts, b"var/lib/rpm/rpmdb.sqlite"], texts).unread == ("the database of rpm is not read",)
    assert read([STATUS], {}).unread == ("/var/lib/dpkg/status is too large",)
    assert not read([], {}).known


def test_a_path_with_line_breaks_is_told_on_one_line() -> None:
    found = read([b"var/lib/dpkg/status.d/a\nb\xff"], {})
    assert found.unread == ("/var/lib/dpkg/status.d/a\\nb\\xff is too large",)
    assert from_value(to_value(found)) == found


def test_builds_of_fpack_in_a_base_are_named() -> None:
    path = b"fpack/store/0123456789abcdfghijklmnpqrsvwxyz-tool-1.0/bin/tool"
    assert read([path], {}).builds == ("tool-1.0",)


def test_sums_beside_the_records_are_no_records() -> None:
    assert is_database(b"var/lib/dpkg/status.d/libc6")
    assert not is_database(b"var/lib/dpkg/status.d/libc6.md5sums")
    assert not is_database(b"var/lib/dpkg/status.d/a/b")


def test_the_form_in_manifests_is_read_again_and_nothing_else() -> None:
    texts = {STATUS: bases.DPKG.encode()}
    found = read(texts, texts)
    value: Any = to_value(found)
    assert from_value(value) == found
    row = value["packages"][0]
    for bad in (
        {**value, "more": 1},
        {**value, "packages": [row, row]},
        {**value, "packages": [["rpm", *row[1:]]]},
        {**value, "packages": [[*row[:-1], "a b"]]},
        {**value, "os_release": ["a"]},
        {**value, "unread": ["\x1b"]},
    ):
        with pytest.raises(ValueError, match="it|its|not"):
            from_value(bad)


def test_a_base_without_databases_has_an_empty_list() -> None:
    assert read([b"usr/bin/sh"], {}) == BasePackages()
