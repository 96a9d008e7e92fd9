"""Dynamic symbols: which a file exports and imports, with their versions, and files that are damaged."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fpack.builders.payload import elf_symbols
from support.stores.shared_libraries import compiled


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("symbols")
    versions = "V1 { global: old; local: *; }; V2 { global: new; } V1;"
    library = compiled(place, "l", "int old(void){return 1;} int new(void){return 2;}", soname="libl.so.1",
                       versions=versions)  # fmt: skip
    plain = compiled(place, "p", "int free_of(void){return 1;}", soname="libp.so.1")
    source = "int old(void); int new(void); int free_of(void); int main(void){return old()+new()+free_of();}"
    return {"library": library, "plain": plain, "program": compiled(place, "a", source, with_=[library, plain])}


def read(tmp_path: Path, content: bytes) -> elf_symbols.DynamicSymbols | None:
    (tmp_path / "x").write_bytes(content)
    return elf_symbols.read(tmp_path / "x")


def test_what_a_library_exports_has_its_versions(tmp_path: Path, files: dict[str, bytes]) -> None:
    found = read(tmp_path, files["library"])
    assert found is not None and {("old", "V1"), ("new", "V2")} <= found.exported
    plain = read(tmp_path, files["plain"])
    assert plain is not None and plain.exported == {("free_of", "")}


def test_what_a_program_imports_is_known_by_library(tmp_path: Path, files: dict[str, bytes]) -> None:
    found = read(tmp_path, files["program"])
    assert found is not None and found.imported == {"libl.so.1": {("old", "V1"), ("new", "V2")}}
    assert found.plain == {"free_of"}


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 80])
def test_other_files_have_none(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) is None


def test_a_damaged_file_raises_nothing(tmp_path: Path, files: dict[str, bytes]) -> None:
    chance = random.Random(1)
    for content in files.values():
        for _ in range(150):
            damaged = bytearray(content[: chance.choice([len(content), chance.randrange(len(content))])])
            for _ in range(chance.randrange(1, 30)):
                if damaged:
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            read(tmp_path, bytes(damaged))
