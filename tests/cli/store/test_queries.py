"""`store list`, `path-info`, `referrers`, `closure` and `stats` tell what the store holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.database import Database, PathInfo
from support.processes.program import Fpack

from .conftest import Ask


@pytest.fixture
def packed(packed: Fpack) -> Fpack:
    packed("build", "fpack.fp#words")
    return packed


def rows(fpack: Fpack) -> list[PathInfo]:
    database = Database(fpack.home / "store" / "db" / "fpack.sqlite")
    found = database.paths()
    database.close()
    return found


def infos(fpack: Fpack) -> dict[str, int]:
    return {str(info.path): info.size for info in rows(fpack)}


def test_a_list_has_every_path_once(packed: Fpack, ask: Ask) -> None:
    found = ask("store", "list")
    assert {each["path"]: each["size"] for each in found["paths"]} == infos(packed)
    assert found["size"] == sum(infos(packed).values())
    registered = {str(info.path): info.registered for info in rows(packed)}
    assert {each["path"]: each["registered"] for each in found["paths"]} == registered
    lines = packed("store", "list").stdout.splitlines()
    assert len(lines) == len(infos(packed)) + 1 and lines[-1].startswith(f"{len(infos(packed))} paths, ")


def test_a_list_is_filtered_and_sorted(packed: Fpack, ask: Ask) -> None:
    def names(*args: str) -> list[str]:
        return [each["path"].partition("-")[2] for each in ask("store", "list", *args)["paths"]]

    assert names("words") == ["words"] and names("w?rd*") == ["words"] and names("nothing*") == []
    assert set(names("--kind", "fetch")) == {name for name in names() if name.endswith(".deb")} != set()
    assert names("--kind", "text") == ["words"]
    assert names("--older-than", "1") == [] and names("--newer-than", "1") == names()
    large = ask("store", "list", "--larger-than", "1K", "--sort", "size")["paths"]
    assert [each["size"] for each in large] == sorted((s for s in infos(packed).values() if s > 1024), reverse=True)
    assert names("--sort", "name") == sorted(names())
    times = [each["registered"] for each in ask("store", "list", "--sort", "time")["paths"]]
    assert times == sorted(times, reverse=True)


def test_a_kind_that_does_not_exist(packed: Fpack) -> None:
    for verb in (["store", "list"], ["history"]):
        message = packed(*verb, "--kind", "fecth", status=2).stderr
        assert "no kind 'fecth'" in message and "did you mean `fetch`?" in message and "image, layer" in message
        assert packed(*verb, "--kind", "npm").stdout
    completions = packed("__complete", "fish", "store", "list", "--kind", "f").stdout.splitlines()
    assert completions == ["plain", "facts", "fetch", "files"]


def test_every_command_takes_the_same_words(packed: Fpack, ask: Ask) -> None:
    """A path, a path below it, a link, the beginning of its hash, its name, and patterns."""
    disk = os.readlink(packed.home / "result")
    base = Path(disk).name
    path = f"/fpack/store/{base}"
    unique = [path, base, f"{path}/below", disk, "result", "./result", base[:8], f"/fpack/store/{base[:8]}"]
    for word in (*unique, "words", "w?rds", f"{base[:6]}*-words"):
        assert [each["path"] for each in ask("store", "list", word)["paths"]] == [path], word
        assert [each["path"] for each in ask("store", "path-info", word)["paths"]] == [path], word
        assert ask("store", "closure", word)["tops"] == [path], word
        assert ask("store", "referrers", word)["path"] == path, word
        assert ask("store", "verify", word)["paths"] == ask("store", "repair", word)["paths"] == 1, word
        assert ask("store", "export", word, "-o", "out", "--force")["roots"] == [path], word
        assert ask("root", "add", "words", word)["path"] == path, word
        assert [each["path"] for each in ask("history", word)["builds"]] == [path], word


def test_a_word_that_names_several_paths(packed: Fpack, ask: Ask) -> None:
    slices = [each["path"] for each in ask("store", "list", "*-slice")["paths"]]
    assert len(slices) > 1 and sorted(slices) == sorted(ask("store", "closure", "*-slice")["tops"])
    assert len(ask("store", "path-info", "*-slice", slices[0])["paths"]) == len(slices)
    for verb in (["store", "referrers"], ["root", "add", "x"]):
        message = packed(*verb, "*-slice", status=2).stderr
        assert f"names {len(slices)} paths" in message and slices[0] in message and "name one" in message
    assert ask("store", "list", "nothing")["paths"] == []


def test_what_is_known_of_a_path(packed: Fpack, ask: Ask) -> None:
    words = os.readlink(packed.home / "result")
    (found,) = ask("store", "path-info", "./result")["paths"]
    assert found["disk"] == words and found["path"] == f"/fpack/store/{Path(words).name}"
    assert found["size"] == found["closure_size"] == len("some words") and found["closure_paths"] == 1
    assert found["references"] == found["referrers"] == [] and len(found["tree"]) == 64
    assert [(each["kind"], each["name"], each["output"]) for each in found["made_by"]] == [("text", "words", "out")]
    assert found["kept_by"] == [f"the result {packed.home / 'result'}"]
    for name in (found["path"], Path(words).name, words, f"{found['path']}/below"):
        assert ask("store", "path-info", name)["paths"] == [found]
    text = packed("store", "path-info", "result/").stdout
    assert found["path"] in text and "text words" in text and str(packed.home / "result") in text


def test_what_a_path_needs_and_what_needs_it(packed: Fpack, ask: Ask) -> None:
    image = ask("build", "fpack.fp#image", "-o", "image")["path"]
    (found,) = ask("store", "path-info", image)["paths"]
    closure = ask("store", "closure", image)
    assert closure["tops"] == [image] and found["closure_paths"] == len(closure["paths"]) > 1
    assert found["closure_size"] == closure["size"] == sum(each["size"] for each in closure["paths"])
    assert set(found["references"]) < {each["path"] for each in closure["paths"]}
    for below in found["references"]:
        assert image in ask("store", "referrers", below)["referrers"]
        (part,) = ask("store", "path-info", below)["paths"]
        assert image in part["referrers"] and f"the result {packed.home / 'image'}" in part["kept_by"]
    deepest = min(closure["paths"], key=lambda each: len(ask("store", "closure", each["path"])["paths"]))["path"]
    above = set(ask("store", "referrers", deepest, "--all")["referrers"])
    assert set(ask("store", "referrers", deepest)["referrers"]) <= above and deepest not in above
    assert packed("store", "referrers", image).stdout == ""
    lines = packed("store", "closure", image, "--size").stdout.splitlines()
    assert len(lines) == found["closure_paths"] + 1 and "paths" in lines[-1]


def test_a_path_that_nothing_keeps(fpack: Fpack, ask: Ask) -> None:
    path = ask("build", "fpack.fp#words", "--no-link")["path"]
    (found,) = ask("store", "path-info", path)["paths"]
    assert found["kept_by"] == [] and found["reason"] is None
    assert "the next gc may delete it" in fpack("store", "path-info", path).stdout


def test_statistics(packed: Fpack, ask: Ask) -> None:
    found = ask("store", "stats")
    kinds = {each["kind"]: each for each in found["kinds"]}
    assert {"fetch", "deb", "slice", "root", "layer", "image", "text"} <= set(kinds)
    assert sum(each["paths"] for each in found["kinds"]) == found["paths"] == len(infos(packed))
    assert sum(each["size"] for each in found["kinds"]) == found["trees"] == sum(infos(packed).values())
    # A slice shares its files with the payload that it is cut from.
    assert 0 < found["pool"] < found["trees"] and found["pool_files"] > 5 and found["pool_disk"] >= found["pool"] // 2
    assert found["others"]["db"] > 0
    text = packed("store", "stats").stdout
    assert "trees share files" in text and f"{found['paths']}  total" in text
    before = found["paths"]
    for name in ("result", "hello.tar", "greeter.tar"):
        (packed.home / name).unlink(missing_ok=True)
    dead = ask("store", "stats")["dead"]
    assert len(ask("gc")["deleted"]) == dead and ask("store", "stats")["paths"] == before - dead


def test_statistics_of_nothing(fpack: Fpack, ask: Ask) -> None:
    ask("build", "fpack.fp#words", "--no-link")
    fpack("gc")
    found = ask("store", "stats")
    assert found["paths"] == found["pool_files"] == 0 and found["kinds"] == []


def test_the_database_is_made_again(packed: Fpack, ask: Ask) -> None:
    before = infos(packed)
    for name in ("fpack.sqlite", "fpack.sqlite-wal", "fpack.sqlite-shm"):
        (packed.home / "store" / "db" / name).unlink(missing_ok=True)
    assert "rebuild-database" in packed.fails("store", "list")
    done = ask("store", "rebuild-database")
    assert done["paths"] == len(before) and done["rejected"] == [] and infos(packed) == before
    assert ask("store", "verify")["intact"]


def test_a_migration_with_nothing_to_do(packed: Fpack, ask: Ask) -> None:
    done = ask("store", "migrate")
    assert done["before"] == done["after"] == done["newest"]
    assert f"format {done['newest']}" in packed("store", "migrate").stdout
