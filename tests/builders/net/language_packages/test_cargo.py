"""Test where crates come from: the registry of the lock, or its replacement in this machine's settings of cargo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.net.errors import BadUrl, HttpError
from fpack.builders.net.language_packages import cargo
from fpack.builders.net.language_packages.cargo import (
    CRATES_IO,
    CRATES_IO_INDEX,
    Cargo,
    CargoRegistry,
    download_url,
    registry_of,
)
from fpack.builders.net.language_packages.package_registries import PackageRegistries

SHA = "ab" * 32
MIRROR = {"source": {"crates-io": {"replace-with": "m"}, "m": {"registry": "sparse+https://m.example.org/"}}}


def _urls(source: str, settings: dict[str, Any], dl: str = "https://dl.example.org", name: str = "Serde") -> list[str]:
    found = Cargo(lambda url: json.dumps({"dl": dl}).encode(), lambda: settings)
    return found.urls(f"cargo:{source}/{name}/1.0.0+a/{SHA}/{name}-1.0.0+a.crate")


def test_a_crate_comes_from_crates_io_unless_it_is_replaced() -> None:
    assert registry_of(CRATES_IO, {}) == CargoRegistry(CRATES_IO_INDEX, "", False)
    assert registry_of(CRATES_IO, MIRROR) == CargoRegistry("sparse+https://m.example.org/", "", True)
    assert registry_of(CRATES_IO_INDEX, MIRROR) == registry_of(CRATES_IO, MIRROR)
    chain = {"source": {"crates-io": {"replace-with": "a"}, "a": {"replace-with": "b"}, "b": {"local-registry": "/r"}}}
    assert registry_of(CRATES_IO, chain) == CargoRegistry("", "/r", True)
    named = {"source": {"crates-io": {"replace-with": "own"}}, "registries": {"own": {"index": "sparse+https://o/"}}}
    assert registry_of(CRATES_IO, named).sparse == "sparse+https://o/"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://index.crates.io/se/rd/serde"),
        (MIRROR, "https://m.example.org/se/rd/serde"),
        (
            {"source": {"crates-io": {"replace-with": "a"}, "a": {"local-registry": "/r"}}},
            "file:///r/index/se/rd/serde",
        ),
    ],
)
def test_the_index_comes_from_where_the_crates_do(settings: dict[str, Any], url: str) -> None:
    cargo = Cargo(lambda url: b"", lambda: settings)
    assert cargo.index_urls(f"cargo-index:{CRATES_IO}//se/rd/serde") == [url]


def test_another_registry_of_the_lock() -> None:
    assert registry_of("sparse+https://x.example.org/i/", MIRROR).sparse == "sparse+https://x.example.org/i/"
    git = "registry+https://git.example.org/index"
    with pytest.raises(BadUrl, match="is a git repository"):
        registry_of(git, {})
    replaced = {"source": {"x": {"registry": "https://git.example.org/index", "replace-with": "m"}, **MIRROR["source"]}}
    assert registry_of(git, replaced).sparse == "sparse+https://m.example.org/"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"source": {"crates-io": {"replace-with": "a"}, "a": {"replace-with": "crates-io"}}}, "replace each other"),
        ({"source": {"crates-io": {"replace-with": "a"}, "a": {"directory": "/v"}}}, "have no archives"),
        ({"source": {"crates-io": {"replace-with": "nothing"}}}, "is a git repository"),
    ],
)
def test_settings_that_lead_nowhere(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(BadUrl, match=what):
        registry_of(CRATES_IO, settings)


def test_the_download_url_of_a_registry() -> None:
    assert download_url("https://d/{prefix}/{crate}-{version}", "ab", "1.0+x", SHA) == "https://d/2/ab-1.0%2Bx"
    assert download_url("https://d/{lowerprefix}/{sha256-checksum}", "SERde", "1", SHA) == f"https://d/se/rd/{SHA}"
    assert download_url("https://d/", "abc", "1.0.0", SHA) == "https://d/abc/1.0.0/download"
    assert cargo.prefix_of("abc") == "3/a"
    assert _urls(CRATES_IO, {}) == ["https://dl.example.org/Serde/1.0.0%2Ba/download"]
    local = {"source": {"crates-io": {"replace-with": "a"}, "a": {"local-registry": "/srv/crates"}}}
    assert _urls(CRATES_IO, local) == ["file:///srv/crates/Serde-1.0.0%2Ba.crate"]


@pytest.mark.parametrize("name", ["..", "a/b", "a b", "", "a\0", "x" * 65])
def test_what_is_no_crate(name: str) -> None:
    with pytest.raises(BadUrl):
        _urls(CRATES_IO, {}, name=name)


def test_a_lock_names_no_files_of_this_machine() -> None:
    with pytest.raises(BadUrl, match="outside the project"):
        _urls("sparse+file:///etc", {})
    with pytest.raises(BadUrl, match="files of this machine"):
        _urls(CRATES_IO, {}, dl="file:///etc/{crate}")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"dl": 3}', b'{"dl": "ftp://x"}', b"[" * 100_000])
def test_a_registry_without_a_download_url(answer: bytes) -> None:
    with pytest.raises(HttpError, match="no download URL"):
        Cargo(lambda url: answer, dict).urls(f"cargo:{CRATES_IO}/a/1.0.0/{SHA}/a-1.0.0.crate")


def test_the_users_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    assert cargo.user_settings() == {"registries": {}}
    (tmp_path / "config.toml").write_text('[registries.my-own]\nindex = "sparse+https://a/"\ntoken = "t"\n')
    monkeypatch.setenv("CARGO_REGISTRIES_MY_OWN_INDEX", "sparse+https://b/")
    assert cargo.user_settings()["registries"] == {"my-own": {"index": "sparse+https://b/", "token": "t"}}
    (tmp_path / "config.toml").write_text("[")
    with pytest.raises(BadUrl, match="settings of cargo cannot be read"):
        cargo.user_settings()


def test_other_urls_are_mapped_as_before() -> None:
    registries = PackageRegistries(lambda url: [url, "second"], lambda: None)  # type: ignore[arg-type,return-value]
    assert registries("mirror://debian/x") == ["mirror://debian/x", "second"]
