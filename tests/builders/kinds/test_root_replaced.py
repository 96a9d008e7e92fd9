"""Roots in which built libraries replace those of packages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.builders.protocol import BuildError
from fpack.store.path import StorePath
from support.archives.debs import file, symlink
from support.stores.elves import elf
from support.stores.fake_roots import Made, Roots
from support.stores.shared_libraries import compiled
from support.stores.task import FakeStore

LIB = "usr/lib/x86_64-linux-gnu"
VERSIONS = "Z1 { global: deflate; inflate; local: *; };"
BOTH = "int deflate(void){return 1;} int inflate(void){return 2;}"


@pytest.fixture(scope="module")
def elves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("replaced")
    debians = compiled(place, "z", BOTH, soname="libz.so.1", versions=VERSIONS)
    return {
        "debians": debians,
        "patched": compiled(place, "n", BOTH.replace("2", "3"), soname="libz.so.1", versions=VERSIONS),
        "less": compiled(place, "l", "int deflate(void){return 1;}", soname="libz.so.1", versions=VERSIONS),
        "unversioned": compiled(place, "u", BOTH, soname="libz.so.1"),
        "other": compiled(place, "o", BOTH, soname="libz.so.2", versions=VERSIONS),
        "program": compiled(place, "a", "int inflate(void); int main(void){return inflate();}", with_=[debians]),
    }


@pytest.fixture
def roots(tmp_path: Path, elves: dict[str, bytes]) -> Roots:
    made = Roots(FakeStore(tmp_path / "root"))
    made.package("app", file("./usr/bin/app", elves["program"], 0o755), seed=True, depends="zlib1g")
    made.package("zlib1g", file(f"./{LIB}/libz.so.1.3", elves["debians"]), symlink(f"./{LIB}/libz.so.1", "libz.so.1.3"))
    return made


def patched(roots: Roots, content: bytes, soname: str = "libz.so.1") -> StorePath:
    return roots.built("zlib-2", {f"lib/{soname}": content, "include/z.h": b"z"})


def build(roots: Roots, path: StorePath, package: str = "zlib1g", mode: str = "depends") -> Made:
    return roots.build(mode, replace=[{"package": package, "path": str(path), "packages": []}])


def test_a_link_stands_in_the_place_of_the_library(roots: Roots, elves: dict[str, bytes]) -> None:
    path = patched(roots, elves["patched"])
    made = build(roots, path)
    assert os.readlink(made.data / LIB / "libz.so.1.3") == f"{path}/lib/libz.so.1"
    assert made.extra["excluded"] == [["zlib1g", f"{LIB}/libz.so.1.3".encode(), "grafted", str(path)]]
    assert [f"{LIB}/libz.so.1.3".encode(), "graft"] in made.extra["generated"]
    assert made.extra["grafts"] == [
        {"package": "zlib1g", "path": f"{LIB}/libz.so.1.3", "soname": "libz.so.1", "target": f"{path}/lib/libz.so.1"}
    ]
    assert path in roots.store.references[made.path]


def test_a_root_without_the_package_is_as_before(roots: Roots, elves: dict[str, bytes]) -> None:
    path = patched(roots, elves["patched"])
    plain = roots.build()
    assert "grafts" not in plain.extra
    assert build(roots, path, package="absent").path == plain.path


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("less", "does not export what files of the image import: inflate@Z1 (/usr/bin/app)"),
        ("unversioned", "inflate@Z1 (/usr/bin/app)"),
        ("other", "zlib1g has libz.so.1, and zlib-2 has libz.so.2"),
    ],
)
def test_a_library_that_does_not_fit_is_refused(roots: Roots, elves: dict[str, bytes], content: str, why: str) -> None:
    soname = "libz.so.2" if content == "other" else "libz.so.1"
    with pytest.raises(BuildError) as raised:
        build(roots, patched(roots, elves[content], soname))
    assert raised.value.what == "zlib-2 cannot replace the package zlib1g" and why in raised.value.why


def test_a_library_for_another_machine_is_refused(roots: Roots) -> None:
    with pytest.raises(BuildError, match="cannot replace") as raised:
        build(roots, patched(roots, elf(soname="libz.so.1", machine=183)))
    assert "another machine" in raised.value.why


def test_a_package_without_libraries_cannot_be_replaced(roots: Roots, elves: dict[str, bytes]) -> None:
    with pytest.raises(BuildError) as raised:
        build(roots, patched(roots, elves["patched"]), package="app")
    assert "app has no library" in raised.value.why
