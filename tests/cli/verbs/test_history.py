"""`fpack history` tells what was built, fetched, cut off and what failed."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "greeter", packages = [debian.hello], closure = "linked" }
words = text("words", "WORDS")
more = text("more", "${words}")
bad = fetch { name = "bad", url = "file:///nowhere", sha256 = "%s" }
""" % ("0" * 64)


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    folder = tmp_path_factory.mktemp("history")
    fpack = Fpack(folder / "home", archive := world(folder / "archive"))
    assert isinstance(archive, Archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    return fpack


def history(fpack: Fpack, *args: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(fpack("history", "--json", *args).stdout)["builds"]
    return found


def test_what_was_built(fpack: Fpack) -> None:
    assert "no store yet" in fpack.fails("history")
    begun = int(time.time())
    fpack.pack()
    fpack("build", "more", "--no-link")
    found = history(fpack, "--limit", "0")
    kinds = {each["kind"]: each["outcome"] for each in found}
    assert kinds["fetch"] == "fetched" and kinds["layer"] == kinds["image"] == kinds["text"] == "built"
    assert [each["at"] for each in found] == sorted((each["at"] for each in found), reverse=True)
    assert all(each["seconds"] >= 0 and begun <= each["at"] <= time.time() for each in found)
    assert all(Path(each["path"]).name.endswith(each["name"]) for each in found)
    more, words = found[:2]
    assert (more["name"], more["inputs"]) == ("more", ["words"]) and words["inputs"] == []
    assert [each["name"] for each in history(fpack, "wor*")] == ["words"]
    assert {each["kind"] for each in history(fpack, "--kind", "fetch")} == {"fetch"}
    assert len(history(fpack, "--limit", "3")) == 3 and history(fpack, "nothing") == []


def test_what_failed(fpack: Fpack) -> None:
    fpack.fails("build", "bad", "--no-link")
    (failed,) = history(fpack, "--outcome", "failed")
    assert failed["name"] == "bad" and failed["path"] is None
    line = fpack("history", "bad").stdout
    assert "failed" in line and "bad" in line and line.rstrip().endswith("-")


def test_what_was_cut_off(fpack: Fpack) -> None:
    """The same file by another URL is another derivation with the same output."""
    for name in ("one", "two"):
        (fpack.home / name).write_text("content")
        sha256 = hashlib.sha256(b"content").hexdigest()
        fetch = f'fetch {{ name = "f", url = "file://{fpack.home}/{name}", sha256 = "{sha256}" }}'
        (fpack.home / "cut.fp").write_text(f'a = text("user", "${{f}}")\nf = {fetch}\n')
        fpack("build", "cut.fp#a", "--no-link")
    assert [each["outcome"] for each in history(fpack, "f")] == ["cut-off", "fetched"]
    assert {each["outcome"] for each in history(fpack, "user")} <= {"cut-off", "built"}
    lines = fpack("history", "user", "--inputs").stdout.splitlines()
    assert lines[1].strip() == "from f" and " s  " in lines[-2]
