"""Test the facts that fpack finds about a real image in its manifest and in the store and cache of the machine."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.builders.audit.model import (
    AFFECTED,
    NOT_AFFECTED,
    UNDER_INVESTIGATION,
    Advisory,
    AffectedParts,
    BinaryPackage,
    Finding,
    Product,
)
from fpack.builders.audit.source_binaries import source_binaries
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.cli.images import image_evidence, image_file
from fpack.cli.images.image_evidence import ImageEvidence
from fpack.store.store import Store
from support.archives.archive import Archive, file
from support.archives.go_program import go_program
from support.images.greeter import Greeter
from support.processes.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "x", packages = [debian.libx1], closure = "depends" }
programs = image.with { name = "programs", packages = [debian.gotool] }
tools = image.with { name = "tools", packages = [debian.x-tools] }
"""
MANUAL = "usr/share/man/man1/unused.1"


class Packed(NamedTuple):
    """The user, the archive, and the image of libx1, packed before x 1.0-2 was released."""

    fpack: Fpack
    archive: Archive
    image: Path


def add(archive: Archive, version: str, library: str = "code") -> None:
    files: dict[str, Any] = {"usr/lib/x/libx.so.1": library, MANUAL: "a manual\n"}
    archive.add("libx1", version, source="x", files=files)
    archive.add("x-tools", version, source="x", files={"usr/bin/xtool": file("#!/bin/sh\n", 0o755)})


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    home = tmp_path_factory.mktemp("evidence")
    archive = world(home / "archive")
    add(archive, "1.0-1")
    program = go_program(["main.main", "golang.org/x/net/html.Parse"], ["dep\tgolang.org/x/net\tv0.1.0\t"])
    archive.add("gotool", files={"usr/bin/gotool": file(program, 0o755)})
    archive.publish()
    fpack = Fpack(home / "user", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    fpack.pack("#image", "-o", home / "x.tar", cwd=fpack.home)
    return Packed(fpack, archive, home / "x.tar")


def evidence(packed: Packed, *, store: bool = True, cache: bool = True, image: str = "x.tar") -> ImageEvidence:
    stored = image_file.read(packed.image.with_name(image))
    assert stored.data is not None
    opened = Store(Path(packed.fpack.env["FPACK_ROOT"])) if store else None
    home = Path(packed.fpack.env["HOME"])
    found = next(home.rglob("*.packages")).parent if cache else Path("/nonexistent")
    data = stored.data
    return ImageEvidence(lambda: ManifestReader(data), LocalEvidence(opened, found), opened)


def found(fixed: str = "", **parts: Any) -> Finding:
    product = Product("Debian", "trixie", "x", "1.0-1", "", (BinaryPackage("libx1", "1.0-1", "amd64", ""),))
    advisory = Advisory("CVE-2026-1", (), "Debian", "trixie", "x", (), parts=AffectedParts(**parts))
    return Finding(advisory, product, AFFECTED, fixed)


def test_files_and_packages_that_the_image_lacks(packed: Packed) -> None:
    judge = evidence(packed).judge
    assert judge(found()) == found()
    assert judge(found(files=("/usr/lib/x/libx.so.1",))).status == AFFECTED
    manual = judge(found(files=(f"/{MANUAL}",)))
    assert manual.evidence[0] == f"/{MANUAL} of libx1 (x 1.0-1) is not in the image", manual
    assert manual.status == NOT_AFFECTED
    # Nobody has seen what x-tools contains.
    assert judge(found(files=("/usr/bin/xtool",))).status == UNDER_INVESTIGATION
    packed.fpack.pack("#tools", "-o", packed.image.with_name("tools.tar"), cwd=packed.fpack.home)
    assert evidence(packed).judge(found(files=("/usr/bin/xtool",))).status == NOT_AFFECTED
    none = Finding(found().advisory, Product("Debian", "trixie", "y", "1", ""), AFFECTED)
    assert evidence(packed).judge(none).justification == "component_not_present"


def test_without_the_store_nothing_is_claimed(packed: Packed) -> None:
    """A store that was collected, and an index that is lost, are the same as on another machine."""
    for parts in ({"files": (f"/{MANUAL}",)}, {"binaries": ("x-tools",)}):
        assert evidence(packed, store=False, cache=False).judge(found(**parts)).status == UNDER_INVESTIGATION
    assert evidence(packed, store=False).judge(found(fixed="1.0-2")) == found(fixed="1.0-2")


def test_a_damaged_payload_and_index_prove_nothing(packed: Packed, tmp_path: Path) -> None:
    judge = evidence(packed)
    store = judge._store
    assert store is not None
    path = next(p for p in store.root.glob("store/*-libx1*") if (p / "control").exists() or (p / "meta").exists())
    copy = tmp_path / "meta"
    for tree in [p for p in store.root.glob("store/*libx1*") if (p / "meta").is_file()]:
        shutil.copy2(tree / "meta", copy)
        (tree / "meta").chmod(0o644)
        (tree / "meta").write_bytes(copy.read_bytes().replace(b"unused.1", b"unused.2"))
        try:
            assert evidence(packed).judge(found(files=("/usr/share/man/man1/unused.2",))).status != NOT_AFFECTED
        finally:
            (tree / "meta").write_bytes(copy.read_bytes())
            shutil.copystat(copy, tree / "meta")
    assert path


def test_the_fixed_version_has_the_same_files(packed: Packed) -> None:
    add(packed.archive, "1.0-2")
    packed.archive.publish()
    packed.fpack("update", cwd=packed.fpack.home)
    wanted = found(fixed="1.0-2")
    assert evidence(packed).judge(wanted) == wanted  # it is not in the store
    packed.fpack.pack("#image", "-o", packed.image.with_name("later.tar"), cwd=packed.fpack.home)
    judged = evidence(packed).judge(wanted)
    assert judged.evidence[0].startswith("all 2 files of libx1 in the image are the same in x 1.0-2"), judged
    add(packed.archive, "1.0-3", "other code")
    packed.archive.publish()
    packed.fpack("update", cwd=packed.fpack.home)
    packed.fpack.pack("#image", "-o", packed.image.with_name("later.tar"), cwd=packed.fpack.home)
    assert evidence(packed).judge(found(fixed="1.0-3")).status == AFFECTED


def test_functions_of_the_go_programs_in_the_image(packed: Packed) -> None:
    packed.fpack.pack("#programs", "-o", packed.image.with_name("programs.tar"), cwd=packed.fpack.home)
    product = Product("Go", "", "golang.org/x/net", "v0.1.0", "pkg:golang/golang.org/x/net@v0.1.0")

    def status(symbol: str, **options: Any) -> str:
        parts = AffectedParts(symbols=(f"golang.org/x/net/{symbol}",))
        advisory = Advisory("CVE-2026-1", (), "Go", "", "golang.org/x/net", (), parts=parts)
        return evidence(packed, **options).judge(Finding(advisory, product, AFFECTED)).status

    assert status("html.Parse", image="programs.tar") == AFFECTED
    assert status("html.Render", image="programs.tar") == NOT_AFFECTED
    assert status("html.Render", image="programs.tar", store=False) == UNDER_INVESTIGATION
    assert status("html.Render") == UNDER_INVESTIGATION  # no program of this image tells that it has the module


def test_each_file_of_an_image_is_found_in_the_store(made: Greeter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of packages, of the container, of fpack and of builds."""
    data = image_file.read(made.tar).data
    assert data is not None
    store = Store(Path(made.fpack.env["FPACK_ROOT"]))
    monkeypatch.setattr(image_evidence, "_SMALL", 1)
    local = LocalEvidence(store, Path("/nonexistent"))
    found = list(ImageEvidence(lambda: ManifestReader(data), local, store)._files())
    assert any(path.startswith("fpack/store/") for path, _, _ in found) and len(found) > 3
    for _, disk, sha256 in found:
        assert disk is not None and hashlib.sha256(disk.read_bytes()).digest() == sha256


def test_binary_packages_of_a_source() -> None:
    text = b"""Package: x
Version: 1

Package: libx1
Source: x
Version: 1

Package: libx2
Version: 1+b1
Source: x (1)

Package: libx3
Source: x (2)
Version: 1

Package: xy
Version: 1

Package: z
Source: xy
Version: 1

Package: x-last
Source: x
Version: 1"""
    assert source_binaries([text], "x", "1") == {"x", "libx1", "libx2", "x-last"}
    assert source_binaries([text, b"", b"Source: x"], "x", "2") == {"libx3"}
    assert source_binaries([text], "xy", "1") == {"xy", "z"}
    assert source_binaries([b"Source: x\x00\nPackage x\n"], "x", "1") == frozenset()
