"""The licences and notices that the source of a build and the packages vendored in it state."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fpack.builders.sbom.lock_files import LockedPart, modules
from fpack.builders.sbom.model import NO_NOTICE
from fpack.builders.sbom.parts.part import PartFacts
from fpack.builders.sbom.parts.vendored import own, vendored
from support.archives.language_packages import GEM, tar


def put(top: Path, name: str, content: str | bytes) -> None:
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(top: Path, *parts: LockedPart, logged: list[str] | None = None) -> list[PartFacts]:
    return list(vendored(top, parts, lambda: None, (logged if logged is not None else []).append))


def crate(top: Path, where: str, version: str, licence: str = "MIT") -> None:
    put(top, f"{where}/Cargo.toml", f'[package]\nname = "a"\nversion = "{version}"\nlicense = "{licence}"\n')
    put(top, f"{where}/.cargo-checksum.json", "{}")


def test_a_crate_is_found_by_its_name_and_version(tmp_path: Path) -> None:
    crate(tmp_path, "crates/a", "2.0")
    crate(tmp_path, "crates/a-1.0", "1.0", "Zlib")
    (part,) = found(tmp_path, LockedPart("cargo", "a", "1.0"))
    assert (part.licence.expression, part.file, part.hashes.sha512) == ("Zlib", "a-1.0.crate", "")
    assert found(tmp_path, LockedPart("cargo", "a", "3.0")) == []


def test_a_vendored_module_of_go(tmp_path: Path) -> None:
    put(tmp_path, "vendor/example.org/x/LICENSE", "Do as you like.\n")
    parts = [LockedPart("golang", name, "v1.0.0") for name in ("example.org/x", "example.org/y")]
    (part,) = found(tmp_path, *parts)
    assert (part.name, part.version) == ("example.org/x", "v1.0.0")
    assert part.licence.expression == "LicenseRef-golang-example.2Eorg.2Fx"


def test_a_gem_for_a_platform_is_read_if_there_is_no_other(tmp_path: Path) -> None:
    gem = tar({"metadata.gz": gzip.compress(GEM), "data.tar.gz": tar({})}, "w")
    put(tmp_path, "vendor/cache/rack-3.0.1-x86_64-linux.gem", gem)
    put(tmp_path, "vendor/cache/rack-3.0.10.gem", b"another")
    (part,) = found(tmp_path, LockedPart("gem", "rack", "3.0.1"))
    assert (part.file, part.licence.expression) == ("rack-3.0.1-x86_64-linux.gem", "MIT") and part.hashes.sha512


def test_what_is_damaged_is_logged_and_left_out(tmp_path: Path) -> None:
    put(tmp_path, "vendor/cache/rack-3.0.gem", b"no gem")
    crate(tmp_path, "vendor/a", "1.0")
    put(tmp_path, "vendor/a/Cargo.toml", "no = [")
    logged: list[str] = []
    assert found(tmp_path, LockedPart("gem", "rack", "3.0"), LockedPart("cargo", "a", "1.0"), logged=logged) == []
    assert [line.partition(" cannot")[0] for line in logged] == ["a 1.0", "rack 3.0"]


@pytest.mark.parametrize("name", ["vendor", "vendor/cache"])
def test_nothing_outside_of_the_source_is_read(tmp_path: Path, name: str) -> None:
    outside, top = tmp_path / "outside", tmp_path / "top"
    put(outside, "cache/rack-3.0.1.gem", tar({"metadata.gz": gzip.compress(GEM)}, "w"))
    put(outside, "rack-3.0.1.gem", tar({"metadata.gz": gzip.compress(GEM)}, "w"))
    put(outside, "LICENSE", "Secret.\n")
    (top / name).parent.mkdir(parents=True)
    (top / name).symlink_to(outside)
    (top / "LICENSE").symlink_to(outside / "LICENSE")
    assert found(top, LockedPart("gem", "rack", "3.0.1"), LockedPart("golang", "../outside", "")) == []
    assert own(top).licence.expression == ""


def test_a_source_states_its_licence_and_its_notices(tmp_path: Path) -> None:
    put(tmp_path, "main.py", "pass\n")
    put(tmp_path, "vendor/x.py", "# Copyright 2001 Other\n")
    assert own(tmp_path) == PartFacts(kind="source", copyright=NO_NOTICE)
    put(tmp_path, "package.json", '{"name": "a", "license": "ISC", "author": "Ann <ann@example.org>"}')
    put(tmp_path, "LICENSE", "Copyright 2020 Ann\n")
    part = own(tmp_path)
    assert (part.kind, part.licence.expression, part.supplier) == ("source", "ISC", "Ann <ann@example.org>")
    assert part.copyright == "Copyright 2020 Ann"


def test_modules_in_vendor() -> None:
    text = (
        "# example.org/a v1.0.0\n## explicit; go 1.20\nexample.org/a/x\n"
        "# example.org/b v1.0.0 => example.org/c v1.1.0\n"
        "# example.org/d v0.1.0 => ./d\n# example.org/e => ./e\n"
    )
    assert modules(text) == [
        LockedPart("golang", "example.org/a", "v1.0.0"),
        LockedPart("golang", "example.org/b", "v1.1.0"),
        LockedPart("golang", "example.org/d", "v0.1.0"),
        LockedPart("golang", "example.org/e", ""),
    ]
