"""The stand-in for crates.io tells cargo what its crates need, and has empty ones for other systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus.crates_index import (
    Closure,
    CrateFile,
    archive_of,
    compatible,
    empty_crate,
    index,
    is_for_linux,
    least,
    matches,
    renamed,
)


def _crate(name: str, version: str, **tables: Any) -> CrateFile:
    return CrateFile("0" * 64, {"package": {"name": name, "version": version}, **tables})


@pytest.mark.parametrize(
    ("requirement", "good", "bad"),
    [
        ("1", "1.2.3", "2.0.0"),
        ("0.3.2", "0.3.9", "0.3.1"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~1.2", "1.2.9", "1.3.0"),
        ("=1.2.0", "1.2.0", "1.2.9"),
        (">=0.5, <0.7", "0.6.1", "0.7.0"),
        ("1.*", "1.5.0", "2.0.0"),
        ("<=1", "1.5.0", "2.0.0"),
        (">1", "2.0.0", "1.5.0"),
        ("0", "0.5.1+b", "1.0.0"),
    ],
)
def test_requirements_of_cargo(requirement: str, good: str, bad: str) -> None:
    assert matches(requirement, good) and not matches(requirement, bad)


def test_the_least_version_and_what_is_compatible() -> None:
    assert [least(text) for text in ("0.59", ">=0.51, <0.60", "=1.2.3-b", "*")] == [
        "0.59.0",
        "0.51.0",
        "1.2.3",
        "1.0.0",
    ]
    assert [compatible(text) for text in ("1.2.3", "0.59.1", "0.0.3")] == ["1", "0.59", "0.0.3"]


@pytest.mark.parametrize(
    ("target", "whether"),
    [
        (None, True),
        ("x86_64-pc-windows-gnu", False),
        ("cfg(windows)", False),
        ('cfg(all(unix, not(target_os = "macos")))', True),
        ('cfg(any(target_os = "android", target_env = "msvc"))', False),
        ('cfg(not(any(unix, target_arch = "wasm32")))', False),
    ],
)
def test_targets(target: str | None, whether: bool) -> None:
    assert is_for_linux(target) == whether


def test_the_closure_has_what_features_ask_for_and_lacks_other_systems() -> None:
    crates = {
        "a": [
            _crate(
                "a", "1.0.0",
                features={"default": ["std"], "std": ["dep:b", "c?/fast"], "more": ["c/slow"]},
                dependencies={"b": {"version": "1", "optional": True}, "c": {"version": "1", "optional": True}},
                target={"cfg(windows)": {"dependencies": {"win": {"version": "0.5.2", "features": ["Net"]}}}},
            )
        ],
        "b": [_crate("b", "1.0.0")],
    }  # fmt: skip
    asked: list[str] = []

    def find(name: str) -> list[CrateFile]:
        asked.append(name)
        return crates.get(name, [])

    closure = Closure(find)
    windows = {"dependencies": {"win": {"version": "0.5", "features": ["Fs"]}, "w": {"package": "own", "version": "2"}}}
    closure.add([{"dependencies": {"a": "1"}, "dev-dependencies": {"d": "1"}, "target": {"cfg(windows)": windows}}])
    assert sorted(asked) == ["a", "b", "c", "d", "own", "win"]
    assert closure.foreign["win"] == {"0.5": ("0.5.2", {"Net", "Fs", "default"})}
    assert closure.foreign["own"] == {"2": ("2.0.0", {"default"})}


def test_the_index_and_another_version(tmp_path: Path) -> None:
    manifest = '[package]\nname = "a"\nversion = "1.0.0"\n[dependencies.x]\npackage = "y"\nversion = "2"\n'
    path = tmp_path / "a.crate"
    path.write_bytes(archive_of({"a-1.0.0/Cargo.toml": manifest.encode(), "a-1.0.0/src/lib.rs": b""}))
    crate = _crate(
        "a", "1.0.0", dependencies={"x": {"package": "y", "version": "2"}}, features={"f": ["dep:x"], "g": []}
    )._replace(path=path)
    row = json.loads(index([crate]))
    assert (row["name"], row["vers"], row["features"], row["features2"]) == ("a", "1.0.0", {"g": []}, {"f": ["dep:x"]})
    (dependency,) = row["deps"]
    assert (dependency["name"], dependency["package"], dependency["req"]) == ("x", "y", "2")
    other = renamed(crate, "0.9.0")
    assert other.manifest["package"]["version"] == "0.9.0"
    assert other == renamed(crate, "0.9.0") and other.archive != path.read_bytes()
    assert empty_crate("win", "0.5.2", {"Net"}).manifest["features"] == {"Net": [], "default": []}
