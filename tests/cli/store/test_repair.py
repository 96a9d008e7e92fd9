"""`store verify` finds damage anywhere; `store repair` makes the same paths again, or tells what it could not make."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from fpack.store.files.remove import remove_tree
from support.archives.archive import Archive
from support.processes.program import Fpack

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


def test_a_source_is_copied_from_its_project(fpack: Fpack, ask: Ask) -> None:
    """The project is known by its result or by its use of the source. Files of other content are passed over."""
    project = fpack.home / "project"
    (project / "deep" / "data").mkdir(parents=True)
    (project / "deep" / "data" / "x").write_text("content")
    (project / "data").write_text("another file of this name")
    (project / "fpack.fp").write_text('it = text("it", "${./deep/data}/x")\n')
    ask("build", "it", cwd=project)
    (path,) = [each["path"] for each in ask("store", "list", "data")["paths"]]
    flip(fpack.home / "store" / "store" / Path(path).name / "x")
    assert ask("store", "repair")["repaired"] == [path] and damaged(fpack) == []


def test_a_source_that_is_lost_is_named_with_all_that_become_invalid(fpack: Fpack, ask: Ask) -> None:
    data = fpack.home / "data"
    data.mkdir()
    (data / "x").write_text("content")
    (fpack.home / "fpack.fp").write_text('it = text("it", "${./data}/x")\nsecond = text("second", "${it} ${./data}")\n')
    ask("build", "second")
    paths = {each["path"].rpartition("-")[2]: each["path"] for each in ask("store", "list")["paths"]}
    assert set(paths) == {"data", "it", "second"}
    flip(fpack.home / "store" / "store" / Path(paths["data"]).name / "x")
    (data / "x").write_text("changed")
    shutil.copytree(fpack.home / "store", fpack.home / "copy", symlinks=True)
    text = fpack("store", "repair", status=1).stdout
    assert f"{paths['data']} could not be repaired: The source data is not on this machine" in text
    assert "fpack store add FILE --name data" in text and "3 made invalid" in text
    for name in ("it", "second"):
        assert f"{paths[name]} is no longer valid: it references one of these" in text
    done = ask("store", "repair", env={"FPACK_ROOT": str(fpack.home / "copy")}, status=1)
    assert done["failed"][0]["try"].endswith("--name data") and sorted(done["invalid"]) == sorted(paths.values())
    (data / "x").write_text("content")
    assert ask("store", "add", "data")["path"] == paths["data"] and damaged(fpack) == []


def test_damage_that_a_command_repairs_is_told_in_order(packed: Fpack) -> None:
    """No line says that a step failed, because the command succeeds."""
    flip(trees(packed, "*-hello-2.10-3-slice")[0] / "data" / "usr" / "bin" / "hello")
    lines = packed("pack", "--compress", "gzip").stderr.splitlines()
    assert not any("failed" in line for line in lines)
    warnings = [line for line in lines if line.startswith("warning: ")]
    # The slice shares the file with the payload that it is cut from.
    assert len(warnings) == 2 and all("was damaged: its content differs" in line for line in warnings)
    assert all("is built again" in line for line in warnings)


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
    assert "1 path is intact" in fpack("store", "repair").stdout
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
