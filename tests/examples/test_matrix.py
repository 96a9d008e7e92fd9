"""The matrix of examples/matrix: three versions, two architectures, two variants."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from fpack.lang.evaluator import Evaluator
from support.archives.packages import Everything, Files
from support.examples import EXAMPLES, World
from support.stores.shared import shared_store

MATRIX = EXAMPLES / "matrix/fpack.fp"
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "0"}
MEMBERS = {
    f"{version}-{arch}-{variant}": (version, arch, variant)
    for version in ("5.1", "5.3", "5.4")
    for arch in ("amd64", "arm64")
    for variant in ("plain", "json")
}


def test_it_is_short() -> None:
    assert len(MATRIX.read_text().splitlines()) <= 16


def test_it_has_twelve_images() -> None:
    evaluator = Evaluator(root=MATRIX.parent, packages=Everything(), sources=Files(), settings=SETTINGS)
    images = evaluator.select(evaluator.load(MATRIX), ["lua"])
    assert images.keys() == MEMBERS.keys()
    made = set()
    for name, (version, arch, variant) in MEMBERS.items():
        image = evaluator.force(images[name])
        assert evaluator.select(image, ["platform", "arch"]) == arch
        assert evaluator.force(image["tag"]) == f"{version}-{variant}"
        first = evaluator.force(evaluator.force(image["packages"])[0])
        assert evaluator.force(first["name"]) == f"lua{version}"
        made.add(evaluator.derivation_of(evaluator.force(image["image"]))[0])
    assert len(made) == 12


@pytest.mark.network
def test_members_are_packed_for_their_machines(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    world = World(tmp_path, store=shared_store(tmp_path_factory))
    place = world.examples / "matrix"
    for arch, machine in (("amd64", 62), ("arm64", 183)):
        done = world.fpack(
            "pack", f'fpack.fp#lua."5.4-{arch}-json"', "--format", "rootfs-tar", "-o", f"{arch}.tar", "--json",
            cwd=place, timeout=600,
        )  # fmt: skip
        assert json.loads(done.stdout)["platform"] == f"linux/{arch}"
        with tarfile.open(place / f"{arch}.tar") as opened:
            found = {m.name: opened.extractfile(m).read(20) for m in opened if m.isfile()}  # type: ignore[union-attr]
        programs = {path: head for path, head in found.items() if head.startswith(b"\x7fELF")}
        assert "usr/bin/lua5.4" in programs and any("liblua5.4-cjson.so" in path for path in programs)
        assert {int.from_bytes(head[18:20], "little") for head in programs.values()} == {machine}
