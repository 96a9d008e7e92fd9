"""Test which facts the archives of npm, PyPI, Go, crates.io and RubyGems state."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from fpack.builders.sbom.model import NO_NOTICE
from fpack.builders.sbom.parts import archive, packages
from fpack.builders.sbom.parts.part import PartFacts
from fpack.builders.sbom.parts.survey import PackageSurvey
from support.archives.language_packages import GEM, tar, zipped


def read(tmp_path: Path, kind: str, data: bytes, name: str = "") -> PartFacts:
    path = tmp_path / "archive"
    path.write_bytes(data)
    found = packages.of_archive(kind, path, name, lambda: None)
    assert found.hashes.sha512 == hashlib.sha512(data).hexdigest() and found.size == len(data)
    return found


def npm(tmp_path: Path, **fields: object) -> PartFacts:
    return read(
        tmp_path, "npm", tar({"package/package.json": json.dumps({"name": "a", "version": "1"} | fields).encode()})
    )


def test_npm(tmp_path: Path) -> None:
    value = {
        "name": "@a/b",
        "version": "1.0",
        "description": "Does\nthings",
        "license": "MIT",
        "author": {"name": "Ann", "email": "ann@example.org"},
        "maintainers": [{"name": "Bob", "url": "https://bob.example.org/"}],
        "homepage": "https://b.example.org/",
    }
    files = {"package/package.json": json.dumps(value).encode(), "package/LICENSE": b"Copyright (c) 2020 Ann\n"}
    found = read(tmp_path, "npm", tar(files))
    assert found[:7] == (
        "npm", "@a/b", "1.0", "Bob <https://bob.example.org/>", "Ann <ann@example.org>", "https://b.example.org/",
        "Does things",
    )  # fmt: skip
    assert (found.licence.expression, found.copyright) == ("MIT", "Copyright (c) 2020 Ann")


def test_the_owner_of_the_repository_stands_for_whoever_is_not_named(tmp_path: Path) -> None:
    found = npm(tmp_path, repository="ann/tool")
    assert found.supplier == found.originator == "ann <https://github.com/ann>"
    assert not npm(tmp_path).supplier
    found = npm(tmp_path, contributors=["Cy <cy@example.org>"], repository="ann/tool")
    assert found.supplier == "Cy <cy@example.org>"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"license": {"type": "ISC"}}, "ISC"),
        ({"licenses": [{"type": "Zlib"}]}, "Zlib"),
        ({"licenses": [{"type": "MIT"}, {"type": "Zlib"}]}, ""),
        ({"license": 5, "author": 5, "homepage": 5, "repository": 5, "maintainers": 5}, ""),
        ({"author": {"name": 5}, "maintainers": [5, None, {"name": "x", "email": 5, "url": 5}]}, ""),
    ],
)
def test_old_and_wrong_fields_of_npm(tmp_path: Path, fields: dict[str, object], wanted: str) -> None:
    assert npm(tmp_path, **fields).licence.expression == wanted


METADATA = b"""Metadata-Version: 2.4
Name: App
Version: 1.0
Summary: An app
Author: J\xc3\xbcrgen
Author-email: j@example.org
Maintainer-email: Team <team@example.org>, Bob <bob@example.org>
License: BSD
Classifier: License :: OSI Approved
Classifier: License :: OSI Approved :: GNU General Public License v2 or later (GPLv2+)
Project-URL: Homepage, https://app.example.org/
"""


def test_a_wheel(tmp_path: Path) -> None:
    files = {
        "app/__init__.py": b"# Copyright 2001 Other\n",
        "app/LICENSE": b"Of a part\n",
        "app-1.0.dist-info/METADATA": METADATA,
        "app-1.0.dist-info/licenses/LICENSE": b"Copyright 2020 Ann\n",
    }
    found = read(tmp_path, "pypi", zipped(files))
    assert found[:7] == (
        "pypi", "App", "1.0", "Team <team@example.org>", "Jürgen <j@example.org>", "https://app.example.org/", "An app",
    )  # fmt: skip
    assert tuple(found.licence) == ("BSD", "GPL-2.0-or-later") and found.copyright == "Copyright 2020 Ann"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", "MIT OR Apache-2.0"),
        ("License: MIT\nClassifier: License :: OSI Approved :: BSD License\n", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License\n", "LicenseRef-pypi-a"),
        ("Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Other\n", ""),
        ("License: UNKNOWN\n", ""),
    ],
)
def test_the_licence_of_a_source_distribution(tmp_path: Path, lines: str, wanted: str) -> None:
    found = read(tmp_path, "pypi", tar({"a-1/PKG-INFO": f"Name: a\nVersion: 1\n{lines}".encode()}))
    assert (found.name, found.licence.expression) == ("a", wanted)


def test_a_go_module_states_its_path_and_its_files(tmp_path: Path) -> None:
    data = zipped({"github.com/ann/x/v2@v2.1.0/LICENSE": b"Do as you like.\n", "github.com/ann/x/v2@v2.1.0/x.go": b""})
    found = read(tmp_path, "golang", data, "github.com/ann/x/v2")
    assert found.supplier == "ann <https://github.com/ann>" and found.copyright == NO_NOTICE
    (text,) = found.texts
    assert found.licence.expression == text.id and text.text == "Do as you like."
    found = read(tmp_path, "golang", data, "example.org/x")
    assert found.supplier == "example.org <https://example.org>"


def test_a_crate(tmp_path: Path) -> None:
    text = (
        '[package]\nname = "a"\nversion = "1.0"\nlicense = "MIT/Apache-2.0"\nauthors = ["Ann <ann@example.org>", 5]\n'
        'repository = "https://github.com/ann/a"\n'
    )
    found = read(tmp_path, "cargo", tar({"a-1.0/Cargo.toml": text.encode()}))
    assert (found.licence.expression, found.supplier) == ("MIT OR Apache-2.0", "Ann <ann@example.org>")
    assert found.homepage == "https://github.com/ann/a"


def test_a_gem(tmp_path: Path) -> None:
    inner = tar({"LICENSE": b"(c) 2020 Ann\n", "lib/rack.rb": b""})
    found = read(tmp_path, "gem", tar({"metadata.gz": gzip.compress(GEM), "data.tar.gz": inner}, "w"))
    assert (found.name, found.version, found.licence.expression) == ("rack", "3.0.1", "MIT")
    assert found.supplier == "Ann Lee <ann@example.org>" and found.description == "It's short"
    assert found.copyright == "(c) 2020 Ann" and found.homepage == "https://rack.example.org/"


@pytest.mark.parametrize(
    ("text", "wanted"), [(b"", NO_NOTICE), (b"description: |\n  Copyright 2020 Ann\n", "Copyright 2020 Ann")]
)
def test_bytes_of_a_gems_frame_are_no_notices(tmp_path: Path, text: bytes, wanted: str) -> None:
    """Compressed data and signatures can hold any byte, such as that of the sign in ISO 8859-1."""
    stored = gzip.compress(GEM + text)
    members = {"metadata.gz": stored, "data.tar.gz": tar({"lib/rack.rb": b""})}
    frame = {"checksums.yaml.gz": b"\x1f\x8b\xa9", "data.tar.gz.sig": b"\xa9"}
    assert read(tmp_path, "gem", tar({**members, **frame}, "w")).copyright == wanted


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 no", b"\x1f\x8b no", b"no tar" * 200, tar({"a/b": b""})[:-20]],
    ids=["empty", "zip", "gzip", "tar", "cut"],
)
@pytest.mark.parametrize("kind", packages.KINDS)
def test_a_damaged_archive_is_an_error_that_callers_expect(tmp_path: Path, kind: str, data: bytes) -> None:
    with pytest.raises(packages.ERRORS):
        read(tmp_path, kind, data)


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff", b"[" * 100_000], ids=["list", "cut", "bytes", "deep"])
def test_a_malformed_description_is_an_error_that_callers_expect(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(packages.ERRORS):
        read(tmp_path, "npm", tar({"package/package.json": data}))


def test_an_archive_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    for data in (zipped(dict.fromkeys("abc", b"")), tar(dict.fromkeys("abc", b""))):
        with pytest.raises(ValueError, match="more than 1 files"):
            read(tmp_path, "npm", data)
    monkeypatch.setattr(archive, "MAX_FILES", 9)
    monkeypatch.setattr(archive, "MAX_UNPACKED", 4096)
    for data in (tar({"a": bytes(1 << 20)}), zipped({"a": bytes(3000), "b": bytes(3000)})):
        with pytest.raises(packages.ERRORS):
            read(tmp_path, "npm", data)


def test_archives_in_the_archive_of_a_gem_are_not_unpacked(tmp_path: Path) -> None:
    notice = tar({"lib/a.rb": b"Copyright 2020 Ann\n"})
    for inner in ({"data.tar.gz": tar({"data.tar.gz": notice})}, {"data.tar.gz": tar({}), "./data.tar.gz": notice}):
        found = read(tmp_path, "gem", tar({"metadata.gz": gzip.compress(GEM), **inner}, "w"))
        assert found.copyright == NO_NOTICE


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"Copyright (c) 2020 Ann", "Copyright (c) 2020 Ann"),
        ("/* © Ann */".encode(), "© Ann"),
        ("MIT © Ann".encode(), "MIT © Ann"),
        (b"2009-2024 (c) Ann", "2009-2024 (c) Ann"),
        (b"# Copyright Ann, Inc. and others", "Copyright Ann, Inc. and others"),
        (b"copyright notice and this permission notice", ""),
        (b"   Copyright [yyyy] [name of copyright owner]", ""),
        (b"Copyright (c) <year> <owner>", ""),
        (b"we hold no copyright", ""),
        (b"\0\0Copyright (c) 2020 Ann", ""),
        (b"nothing", NO_NOTICE),
    ],
)
def test_notices_name_somebody(text: bytes, wanted: str) -> None:
    survey = PackageSurvey()
    survey.add("x.c", text + b"\n")
    assert survey.copyright() == wanted


def test_the_notices_of_licences_come_first_and_unread_files_may_have_some() -> None:
    survey = PackageSurvey()
    survey.add("a.c", b"Copyright 2020 Bob\n")
    survey.add("LICENSE", b"Copyright 2020 Ann\n")
    assert survey.copyright() == "Copyright 2020 Ann"
    survey = PackageSurvey()
    survey.leave_rest()
    assert survey.copyright() == ""
