"""`fpack verify --rebuild` where the project is not: its sources come with the image, or from what the user names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.images.shop import CARRIED, Shop, make_project
from support.images.tamper import Image
from support.processes.callers import CALLERS, caller, give
from support.processes.program import Fpack


@pytest.fixture
def empty(packed_shop: Shop, tmp_path: Path) -> Fpack:
    """Return a user without a store, who has only the archive."""
    return Fpack(tmp_path / "home", packed_shop.fpack.archive)


@pytest.fixture(params=CALLERS)
def anybody(request: pytest.FixtureRequest, packed_shop: Shop) -> Iterator[Fpack]:
    assert packed_shop.fpack.archive is not None
    with caller(request.param, packed_shop.fpack.archive) as fpack:
        yield fpack


def report(fpack: Fpack, *args: str | Path, status: int = 0) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(fpack("verify", "--rebuild", "--json", *args, status=status).stdout)
    return value


def test_an_image_is_built_again_by_anybody_in_an_empty_store(packed_shop: Shop, anybody: Fpack) -> None:
    tar = give(anybody, Path(shutil.copy(packed_shop.tar, anybody.home / "shop.tar")))
    found = report(anybody, tar)
    assert found["rebuilt"] is True and found["success"] and not found["unchecked"] and not found["differences"]
    assert "a rebuild from the manifest gives the same image" in anybody("verify", "--rebuild", tar).stdout


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--format", "oci-dir"), ("--compress", "gzip"), ("--compress", "none")])
def test_in_each_form_of_an_image(packed_shop: Shop, empty: Fpack, tmp_path: Path, options: tuple[str, str]) -> None:
    packed_shop.fpack("pack", *options, "-o", tmp_path / "image", cwd=packed_shop.project)
    assert report(empty, tmp_path / "image")["rebuilt"]


def test_with_the_manifest_that_the_user_trusts(packed_shop: Shop, empty: Fpack) -> None:
    found = report(empty, packed_shop.tar, "--manifest", packed_shop.project / "shop.manifest.json")
    assert found["rebuilt"] and found["claim"] == "given"


def test_packing_tells_what_travels(packed_shop: Shop, tmp_path: Path) -> None:
    text = packed_shop.fpack("pack", "-o", tmp_path / "image.tar", cwd=packed_shop.project).stdout
    line = f"  sources in the image's archive, for fpack verify --rebuild: {CARRIED[0]} ({CARRIED[1]} B)"
    assert f"{line}; --no-sources leaves them out\n" in text
    packed = packed_shop.fpack.pack("-o", tmp_path / "image.tar", cwd=packed_shop.project)
    assert packed["sources"] == {"carried": [{"name": "conf", "size": CARRIED[1]}], "left_out": []}
    without = packed_shop.fpack("pack", "--no-sources", "-o", tmp_path / "image.tar", cwd=packed_shop.project).stdout
    assert "sources" not in without
    hello = packed_shop.fpack("pack", "debian.trixie.bash", "-o", tmp_path / "hello.tar").stdout
    assert "sources" not in hello, "it has none"


def test_the_same_project_gives_the_same_archive(packed_shop: Shop, tmp_path: Path) -> None:
    other = Fpack(tmp_path / "home", packed_shop.fpack.archive)
    project = make_project(other.home / "elsewhere")
    other("pack", cwd=project)
    assert (project / "shop.tar").read_bytes() == packed_shop.tar.read_bytes()


def test_neither_the_image_nor_the_manifest_depends_on_what_travels(packed_shop: Shop, tmp_path: Path) -> None:
    without = packed_shop.fpack.pack("--no-sources", "-o", tmp_path / "image.tar", cwd=packed_shop.project)
    assert without["digest"] == report(packed_shop.fpack, packed_shop.tar)["digest"]
    assert Path(without["manifest"]).read_bytes() == (packed_shop.project / "shop.manifest.json").read_bytes()


@pytest.mark.slow
def test_what_does_not_travel_is_named_and_can_be_given(packed_shop: Shop, empty: Fpack, tmp_path: Path) -> None:
    tar = tmp_path / "image.tar"
    packed_shop.fpack("pack", "--no-sources", "-o", tar, cwd=packed_shop.project)
    found = report(empty, tar, status=6)
    assert found["rebuilt"] is False and not found["success"] and found["claim"] is None
    note, *others = found["unchecked"]
    assert not others and "it does not carry the source conf (tree " in note and "--source PATH" in note
    text = empty("verify", "--rebuild", tar, status=6).stdout
    assert "NOT FULLY CHECKED" in text and "gives the same image" not in text
    # The source itself, by any name, or the directory that it is in.
    shutil.copytree(packed_shop.project / "conf", tmp_path / "renamed", symlinks=True)
    for given in (packed_shop.project / "conf", packed_shop.project, tmp_path / "renamed"):
        assert report(empty, tar, "--source", given)["rebuilt"], given
    (tmp_path / "renamed" / "shop.conf").write_text("open = 8\n")
    (note,) = report(empty, tar, "--source", tmp_path / "renamed", status=6)["unchecked"]
    assert f"; {tmp_path / 'renamed'} is not a missing source; name the file" in note
    os.mkfifo(tmp_path / "renamed" / "pipe")
    message = empty.fails("verify", "--rebuild", tar, "--source", tmp_path / "renamed")
    assert "A tree can hold only files, directories and symlinks" in message
    assert "does not exist" in empty("verify", "--rebuild", tar, "--source", tmp_path / "no", status=2).stderr
    assert "--source needs --rebuild" in empty("verify", tar, "--source", tmp_path / "renamed", status=2).stderr


def test_sources_of_this_machines_store_are_used(packed_shop: Shop, empty: Fpack, tmp_path: Path) -> None:
    tar = tmp_path / "image.tar"
    packed_shop.fpack("pack", "--no-sources", "-o", tar, cwd=packed_shop.project)
    empty("store", "add", packed_shop.project / "conf")
    assert report(empty, tar)["rebuilt"]


def test_after_a_collection_too(empty: Fpack, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    empty("pack", cwd=project)
    shutil.move(project / "shop.tar", tmp_path / "shop.tar")
    shutil.rmtree(project)
    collect(empty)
    assert report(empty, tmp_path / "shop.tar")["rebuilt"]


def test_an_image_packed_again_after_a_collection_carries_its_sources(empty: Fpack, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    first = empty.pack(cwd=project)
    data = (project / "shop.tar").read_bytes()
    collect(empty)
    # The option makes it build the manifest again.
    assert empty.pack("--sources", cwd=project) == first and (project / "shop.tar").read_bytes() == data


def collect(fpack: Fpack) -> None:
    """Delete all that nothing keeps; no source is kept."""
    assert list(fpack.home.glob("store/store/*-conf"))
    fpack("gc", "--all")
    assert not list(fpack.home.glob("store/store/*-conf"))


@pytest.mark.slow
def test_large_sources_travel_only_if_the_user_says_so(packed_shop: Shop, empty: Fpack, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with open(project / "conf" / "large", "wb") as file:
        file.truncate(65_000_000)
    tar = tmp_path / "image.tar"
    text = empty("pack", "-o", tar, cwd=project).stdout
    assert "sources too large for the image's archive: " in text and "conf (65.0 MB)" in text
    (note,) = report(Fpack(tmp_path / "other", empty.archive), tar, status=6)["unchecked"]
    assert "it does not carry the sources copy" in note and ", conf" in note
    packed = empty.pack("--sources", "-o", tar, cwd=project)
    assert {"name": "conf", "size": 65_000_000 + CARRIED[1]} in packed["sources"]["carried"]
    assert report(Fpack(tmp_path / "other", empty.archive), tar)["rebuilt"]


def test_sources_need_a_manifest(packed_shop: Shop) -> None:
    for options in (("--no-manifest",), ("--format", "rootfs-tar")):
        message = packed_shop.fpack.fails("pack", "--sources", *options, cwd=packed_shop.project)
        assert "--sources needs a manifest" in message


def test_an_image_of_an_older_fpack_carries_none(packed_shop: Shop, empty: Fpack, tmp_path: Path) -> None:
    image = Image.load(packed_shop.tar)
    for artifact, _ in image.artifacts:
        artifact["layers"] = [each for each in artifact["layers"] if "closure" not in each["mediaType"]]
    tar = image.save(tmp_path / "old.tar")
    assert json.loads(empty("verify", "--json", tar).stdout)["success"]
    assert "does not carry the source conf" in report(empty, tar, status=6)["unchecked"][0]
