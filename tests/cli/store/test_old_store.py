"""A store of fpack 0.1, with its lock, manifest, image and caches, is upgraded and used.

`data/0.1.tar.zst` is the home of a user who packed and built the project in it, with database format 1, manifest format
1 and older builders of layers, images and roots. Its archive of packages is gone.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
from pathlib import Path

import pytest
import zstandard
from fpack.store.db.schema import FORMAT, format_of
from support.processes.program import Fpack

from .conftest import Ask

HOME = Path(__file__).parent / "data" / "0.1.tar.zst"


@pytest.fixture
def fpack(tmp_path: Path) -> Fpack:
    with open(HOME, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        data = io.BytesIO(stream.read())
    with tarfile.open(fileobj=data) as archive:
        archive.extractall(tmp_path, filter="tar")
    fpack = Fpack(tmp_path / "home")
    fpack.env |= {"FPACK_MIRROR": "debian=file:///nowhere only", "FPACK_KEYRING": str(fpack.home / "keyring.pgp")}
    assert format_of(fpack.home / "store" / "db" / "fpack.sqlite") == 1
    return fpack


def test_the_store_is_upgraded_and_everything_in_it_is_used(fpack: Fpack, ask: Ask) -> None:
    before = {path.name for path in (fpack.home / "store" / "store").iterdir()}
    done = ask("store", "migrate")
    assert (done["before"], done["after"]) == (1, FORMAT)
    assert ask("store", "verify")["intact"]
    assert {Path(each["path"]).name for each in ask("store", "list")["paths"]} == before
    # Nothing is downloaded, and the image is the same, although its layers are made by newer builders.
    # Version 0.1 had no `interpreted`: a linked image with a script now also has the commands that the script calls.
    project = fpack.home / "fpack.fp"
    project.write_text(project.read_text().replace('closure = "linked"', 'closure = "linked", interpreted = false'))
    digest = json.loads((fpack.home / "packed.json").read_text())["digest"]
    (fpack.home / "greeter.tar").unlink()
    assert fpack.pack("--frozen")["digest"] == digest
    built = ask("build", "more")
    assert Path(built["disk"]).name in before and Path(os.readlink(fpack.home / "result")) == Path(built["disk"])
    outcomes = {each["kind"]: each["outcome"] for each in ask("history", "--limit", "0")["builds"]}
    assert "fetched" not in outcomes.values() and outcomes["image"] == "built"
    assert ask("store", "verify")["intact"] and (fpack.home / "store" / "db" / "journal").exists()


def test_its_image_is_verified_with_its_manifest(fpack: Fpack) -> None:
    manifest = json.loads((fpack.home / "greeter.manifest.json").read_text())
    assert manifest["format"] == 1
    done = fpack("verify", "greeter.tar", "--manifest", "greeter.manifest.json", "--json", status=None)
    assert done.returncode in (0, 6), done.stdout


def test_every_command_upgrades_it(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "words", "--no-link")["path"]
    assert format_of(fpack.home / "store" / "db" / "fpack.sqlite") == FORMAT
    assert [each["kind"] for each in ask("store", "path-info", path)["paths"][0]["made_by"]] == ["text"]
    fpack("gc")
    assert ask("store", "verify")["intact"]


def test_its_database_is_made_again(fpack: Fpack, ask: Ask) -> None:
    """Format 1 has no journal: the rows come from what is left of the old database, and from the trees."""
    fpack("store", "migrate")
    names = {Path(each["path"]).name for each in ask("store", "list")["paths"]}
    database = fpack.home / "store" / "db" / "fpack.sqlite"
    db = sqlite3.connect(database)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    database.unlink()
    done = ask("store", "rebuild-database")
    assert done["paths"] + len(done["rejected"]) == len(names) and done["paths"] >= len(names) // 2


def test_its_closures_are_exported(fpack: Fpack, ask: Ask, tmp_path: Path) -> None:
    path = next(each["path"] for each in ask("store", "list")["paths"] if each["path"].endswith("-greeter"))
    fpack("store", "export", path, "-o", tmp_path / "file")
    other = Fpack(tmp_path / "other")
    assert Ask(other)("store", "import", tmp_path / "file")["roots"] == [path]
