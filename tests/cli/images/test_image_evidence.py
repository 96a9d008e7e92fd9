"""What fpack knows of a real image: from its manifest, and the store and cache of the machine."""

from __future__ import annotations

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
from fpack.cli.images import image_file
from fpack.cli.images.image_evidence import ImageEvidence
from fpack.store.store import Store
from support.archive import Archive, file
from support.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "x", packages = [debian.libx1], closure = "depends" }
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
    archive.publish()
    fpack = Fpack(home / "user", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    fpack.pack("#image", "-o", home / "x.tar", cwd=fpack.home)
    return Packed(fpack, archive, home / "x.tar")


def evidence(packed: Packed, *, store: bool = True, cache: bool = True) -> ImageEvidence:
    stored = image_file.read(packed.image)
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
