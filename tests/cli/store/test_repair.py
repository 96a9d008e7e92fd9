"""`store verify` finds damage anywhere; `store repair` makes the same paths again, or tells what it could not make."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from fpack.store.files.remove import remove_tree
from support.archive import Archive
from support.program import Fpack

from .conftest import Ask, flip


def damaged(fpack: Fpack) -> list[str]:
    result = json.loads(fpack("store", "verify", "--json", status=None).stdout)
    assert result["intact"] == (result["damaged"] == [] and result["files"] == [] and result["database"] is None)
    return [each["path"] for each in result["damaged"]]


def trees(fpack: Fpack, pattern: str) -> list[Path]:
    found = sorted((fpack.home / "store" / "store").glob(pattern.replace("*-", f"{'?' * 32}-", 1)))
    assert found
    return found


def files(tree: Path) -> list[Path]:
    return [path for path in [tree, *tree.rglob("*")] if path.is_file() and not path.is_symlink()]


@pytest.mark.parametrize(
    "pattern",
    ["*.deb", "*-hello-2.10-3", "*-hello-2.10-3-slice", "*-dash*-slice", "*-greeter-root", "*-layer-*", "*greeter*"],
)
def test_a_flipped_bit_is_repaired(packed: Fpack, ask: Ask, pattern: str) -> None:
    digest = packed.pack()["digest"]
    before = {path.name for path in trees(packed, "*")}
    for tree in trees(packed, pattern):
        (flipped, *_) = [path for path in files(tree) if path.stat().st_size]
        flip(flipped)
    bad = damaged(packed)
    assert bad
    done = ask("store", "repair")
    assert done["failed"] == done["invalid"] == [] and sorted(done["repaired"]) == sorted(bad)
    assert damaged(packed) == [] and {path.name for path in trees(packed, "*")} == before
    (packed.home / "greeter.tar").unlink()
    assert packed.pack()["digest"] == digest


def test_everything_is_damaged_at_once(packed: Fpack, ask: Ask) -> None:
    for tree in trees(packed, "*"):
        for path in files(tree):
            if path.stat().st_size and path.stat().st_ino % 2:
                flip(path)
    bad = damaged(packed)
    assert len(bad) > 3
    done = ask("store", "repair")
    assert sorted(done["repaired"]) == sorted(bad) and done["failed"] == []
    assert damaged(packed) == []


def test_inputs_that_gc_deleted_are_made_again(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "fpack.fp#image")["path"]
    fpack("gc")
    layer = trees(fpack, "*-layer-*")[0]
    flip(next(path for path in files(layer) if path.stat().st_size > 100))
    done = ask("store", "repair")
    assert done["failed"] == [] and len(done["repaired"]) >= 1
    assert damaged(fpack) == [] and (fpack.home / "result").exists()
    assert ask("build", "fpack.fp#image")["path"] == path


def test_a_missing_tree_is_repaired(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "fpack.fp#words")["path"]
    remove_tree(fpack.home / "store" / "store" / Path(path).name)
    assert damaged(fpack) == [path]
    done = ask("store", "repair")
    assert done["repaired"] == [path] and damaged(fpack) == []
    assert (fpack.home / "result").read_text() == "some words"


def test_what_cannot_be_made_again_becomes_invalid_with_what_needs_it(
    packed: Fpack, ask: Ask, archive: Archive
) -> None:
    for tree in trees(packed, "*-hello*.deb"):
        flip(tree)
    bad = damaged(packed)
    nowhere = {"FPACK_MIRROR": "debian=file:///nowhere only"}
    done = ask("store", "repair", env=nowhere, status=1)
    assert [each["path"] for each in done["failed"]] == bad and all(each["why"] for each in done["failed"])
    assert set(bad) <= set(done["invalid"]) and done["repaired"] == []
    assert damaged(packed) == []
    (packed.home / "greeter.tar").unlink()
    packed.pack()


def test_a_source_cannot_be_made_again_without_its_project(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").mkdir()
    (fpack.home / "data" / "x").write_text("content")
    path = ask("store", "add", "data")["path"]
    flip(fpack.home / "store" / "store" / Path(path).name / "x")
    text = fpack("store", "repair", status=1).stdout
    assert "could not be repaired" in text and "not on this machine" in text and "1 made invalid" in text
    assert ask("store", "add", "data")["path"] == path and damaged(fpack) == []


def test_a_closure_file_repairs_what_nothing_can_build(fpack: Fpack, ask: Ask) -> None:
    (fpack.home / "data").mkdir()
    (fpack.home / "data" / "x").write_text("content")
    path = ask("store", "add", "data", "-o", "link")["path"]
    fpack("store", "export", path, "-o", "file")
    flip(fpack.home / "store" / "store" / Path(path).name / "x")
    (fpack.home / "bad").write_bytes((fpack.home / "file").read_bytes()[:-1])
    assert "truncated" in fpack.fails("store", "repair", "--from", "bad")
    assert damaged(fpack) == [path]
    done = ask("store", "repair", "--from", "file")
    assert done["repaired"] == [path] and done["failed"] == done["invalid"] == []
    assert damaged(fpack) == [] and (fpack.home / "link" / "x").read_text() == "content"


def test_forget_builds_nothing(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "fpack.fp#words")["path"]
    flip(fpack.home / "store" / "store" / Path(path).name)
    done = ask("store", "repair", "--forget")
    assert done["repaired"] == [] and done["invalid"] == [path] and damaged(fpack) == []
    assert ask("build", "fpack.fp#words")["path"] == path


def test_one_path_and_what_it_needs(fpack: Fpack, ask: Ask) -> None:
    words = ask("build", "fpack.fp#words")["path"]
    image = ask("build", "fpack.fp#image", "-o", "image")["path"]
    flip(fpack.home / "store" / "store" / Path(words).name)
    assert ask("store", "verify", image)["intact"]
    assert ask("store", "repair", image)["repaired"] == []
    assert not ask("store", "verify", "./result", status=1)["intact"]
    assert ask("store", "repair", "./result")["repaired"] == [words]
    assert damaged(fpack) == []


def test_a_repair_of_one_path_checks_what_it_builds_from(packed: Fpack, ask: Ask) -> None:
    """The layer is asked for; the slice that it is made from, which is not in its closure, is damaged as well."""
    layer = trees(packed, "*-layer-hello*")[0]
    flip(next(path for path in files(layer) if path.stat().st_size > 100))
    slice_ = trees(packed, "*-hello-2.10-3-slice")[0]
    flip(slice_ / "data" / "usr" / "bin" / "hello")
    done = ask("store", "repair", f"/fpack/store/{layer.name}")
    assert f"/fpack/store/{layer.name}" in done["repaired"] and done["failed"] == []
    assert damaged(packed) == []


def test_views_of_damaged_roots_are_deleted(packed: Fpack, ask: Ask) -> None:
    root = trees(packed, "*-greeter-root")[0]
    view = packed.home / "store" / "views" / "layout" / root.name
    view.mkdir(parents=True)
    slice_ = trees(packed, "*-hello-2.10-3-slice")[0] / "data" / "usr" / "bin" / "hello"
    os.link(slice_, view / "hello")
    flip(slice_)
    ask("store", "repair")
    assert not view.exists() and damaged(packed) == []


def test_lines_for_people(fpack: Fpack) -> None:
    path = json.loads(fpack("build", "fpack.fp#words", "--json").stdout)["path"]
    assert "1 path is intact" in fpack("store", "verify").stdout
    assert "1 paths are intact" in fpack("store", "repair").stdout
    flip(fpack.home / "store" / "store" / Path(path).name)
    text = fpack("store", "verify", status=1).stdout
    assert path in text and "1 of 1 path damaged" in text and "fpack store repair" in text
    assert f"{path} was repaired" in fpack("store", "repair").stdout


def test_a_damaged_database_is_told(fpack: Fpack) -> None:
    fpack.pack("debian.trixie.hello")
    database = fpack.home / "store" / "db" / "fpack.sqlite"
    database.write_bytes(b"no database" * 1000)
    for extra in ("-wal", "-shm"):
        database.with_name(database.name + extra).unlink(missing_ok=True)
    for verb in ("verify", "repair", "list", "stats"):
        assert "fpack store rebuild-database" in fpack.fails("store", verb)
    shutil.copy(database, fpack.home / "old")
    assert "paths are valid" in fpack("store", "rebuild-database").stdout
    assert damaged(fpack) == []
