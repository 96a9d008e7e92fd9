"""FPACK_ROOT names something that is no store and cannot become one: every verb explains it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.processes.people import person
from support.processes.program import Fpack
from support.time_limits import WAIT

VERBS = (
    ["store", "list"], ["store", "verify"], ["store", "repair"], ["store", "add", "fpack.fp"], ["store", "stats"],
    ["store", "path-info", "x"], ["store", "referrers", "x"], ["store", "closure", "x"], ["store", "export", "x"],
    ["store", "import", "-"], ["store", "rebuild-database"], ["store", "migrate"], ["gc"], ["root", "list"],
    ["root", "add", "x", "y"], ["root", "remove", "x"], ["history"], ["build", "words"], ["log", "words"],
)  # fmt: skip


@pytest.fixture
def user(tmp_path: Path) -> Fpack:
    fpack = Fpack(tmp_path / "home")
    (fpack.home / "fpack.fp").write_text('words = text("words", "some words")\n')
    (fpack.home / "file").write_text("x")
    (fpack.home / "full").mkdir()
    (fpack.home / "full" / "notes").write_text("mine")
    (fpack.home / "dangling").symlink_to("nowhere")
    (fpack.home / "circle").symlink_to("circle")
    return fpack


def files(home: Path) -> list[Path]:
    """List all files but those of the cache."""
    return sorted(path for path in home.rglob("*") if ".cache" not in path.parts)


@pytest.mark.parametrize(
    ("name", "what", "why", "verbs"),
    [
        ("file", "The store is not a directory", "file is not a directory", VERBS),
        ("file/below", "The store cannot be created", "file is not a directory", VERBS[:4]),
        ("full", "The directory is not a store", "the directory has other files, such as notes", VERBS),
        (
            "dangling",
            "The store is not a directory",
            "dangling is a link to nowhere, which is not a directory",
            VERBS[:4],
        ),
        ("dangling/below", "The store cannot be created", "dangling is a link to nowhere", VERBS[:4]),
        ("circle", "The store cannot be read", "Too many levels of symbolic links", VERBS[:4]),
    ],
)
def test_every_verb_explains(user: Fpack, name: str, what: str, why: str, verbs: tuple[list[str], ...]) -> None:
    root = user.home / name
    before = files(user.home)
    for words in verbs:
        message = user.fails(*words, env={"FPACK_ROOT": str(root)})
        assert what in message and f"where: {root}\n" in message and why in message, words
        assert re.search("try:   (set|name another store with) FPACK_ROOT", message), words
    done = user("doctor", "--offline", env={"FPACK_ROOT": str(root)}, status=1, timeout=WAIT)
    assert f"{what} ({root})" in " ".join(done.stdout.split())
    assert files(user.home) == before


def test_a_relative_path(user: Fpack) -> None:
    for words in (*VERBS[::4], ["doctor"], ["run", "jq"], ["shell"], ["eval", "words"]):
        message = user(*words, env={"FPACK_ROOT": "some/store"}, status=2).stderr
        assert "FPACK_ROOT is not an absolute path" in message and "where: FPACK_ROOT=some/store" in message
        assert f"try:   FPACK_ROOT={user.home}/some/store" in message
    assert not (user.home / "some").exists()
    assert user("store", "list", env={"FPACK_ROOT": ""}, status=None).returncode in (0, 1)
    # A relative path of XDG is ignored, as its specification says.
    user("store", "add", "fpack.fp", env={"FPACK_ROOT": "", "XDG_DATA_HOME": "data"}, status=None)
    assert not (user.home / "data").exists()


def test_an_empty_file_system_is_a_place_for_a_store(user: Fpack) -> None:
    (user.home / "disk" / "lost+found").mkdir(parents=True)
    user("store", "add", "fpack.fp", env={"FPACK_ROOT": str(user.home / "disk")})


def test_directories_of_other_users() -> None:
    with person("user") as user:
        for name, owner in (("roots", 0), ("strangers", user.stranger)):
            (user.place / name).mkdir()
            os.chown(user.place / name, owner, owner)
        (user.home / "fpack.fp").write_text('words = text("words", "some words")\n')
        for words in VERBS[::3]:
            message = user.fails(*words, env={"FPACK_ROOT": str(user.place / "strangers")})
            assert "The store is another user's" in message and f"it belongs to user {user.stranger}" in message, words
            assert "try:   name another store with FPACK_ROOT" in message, words
            message = user.fails(*words, env={"FPACK_ROOT": str(user.place / "roots" / "new")})
            assert f"where: {user.place / 'roots' / 'new'}" in message and "try:" in message, words
            assert "no store yet" in message or "Permission denied" in message, words
