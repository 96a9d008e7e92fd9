"""A directory or a file with a name that a terminal would obey, or that has lines of its own, is only a name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.cli.ui import render
from fpack.store.errors import FpackError, one_line
from support.attacks.checkout import MODES, Checkout, checkouts

FORGED = "error: forged"
# It sets the title, clears, draws, goes back in the line; by itself, it says two lines more.
EVIL = f"a\x1b]0;title\x07\x1b[2J\x9b31m\u202e\r\x7f\n{FORGED}\n  try:   forged\t."


@pytest.fixture(scope="module", params=MODES)
def world(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    with checkouts(request.param) as made:
        owner = made.checkout.stat()
        place = made.checkout / EVIL
        place.mkdir()
        (place / "fpack.fp").write_text(
            'debian = import("fpack/debian").trixie\n'
            'image = container { packages = [debian.hello], files = { "/x" = ./x } }\n'
            "wrong = 1 + null\n"
            "shell = shell { packages = [debian.hello] }\n"
        )
        (place / f"{EVIL}.fp").write_text("a = [1,2 , b]\n")
        (place / "x").write_text("x")
        (place / "package.json").write_text("{}")
        os.chown(place, owner.st_uid, owner.st_gid)
        made.checkout = place
        yield made


def lines(world: Checkout, *words: str | Path, cwd: Path | None = None) -> list[str]:
    """Return the output of a command. Check that it is only lines of text for a terminal, none of them forged."""
    done = world.fpack(*words, cwd=cwd or world.checkout, status=None)
    found = (done.stdout + done.stderr).split("\n")
    assert all(line.replace("\t", "").isprintable() for line in found), found
    assert not any(line.startswith(FORGED) for line in found), found
    assert "fpack failed" not in done.stderr
    return found


@pytest.mark.parametrize(
    "words",
    [
        *("build", "build image -o x", "build wrong", "build none", "check", "closure image", "doctor"),
        *("eval fpack.fp#wrong", "fmt --check", "fmt --diff", "init", "lock", "log image", "pack"),
        *("pack --format oci-dir -o x", "pack none.fp", "pack --load podman", "shell none -- x", "show image"),
        *("size image", "update", "update none", "why image none", "verify none.tar", "hook bash --enter ."),
    ],
)
def test_the_directory_that_is_worked_in(world: Checkout, words: str) -> None:
    assert lines(world, *words.split())


@pytest.mark.parametrize("words", ["build", "check", "doc", "eval", "fmt --check", "pack", "shell", "verify", "repl"])
def test_a_file_that_is_named(world: Checkout, words: str) -> None:
    assert lines(world, *words.split(), world.checkout / f"{EVIL}.fp", cwd=world.fpack.home)
    assert lines(world, *words.split(), f"none/{EVIL}.fp")


def test_a_file_that_is_written(world: Checkout) -> None:
    said = lines(world, "pack", "-o", f"{EVIL}.tar")
    assert (world.checkout / f"{EVIL}.tar").is_file()
    assert any(one_line(EVIL) in line for line in said)
    assert any(one_line(EVIL) in line for line in lines(world, "verify", f"{EVIL}.tar"))


def test_a_project_that_a_hook_finds(world: Checkout) -> None:
    shutil.rmtree(world.fpack.home / ".local", ignore_errors=True)
    said = lines(world, "hook", "bash", "--enter", world.checkout, cwd=world.fpack.home)
    assert any(one_line(EVIL) in line and "has a shell" in line for line in said)


def test_one_line() -> None:
    assert one_line("plain – text") == "plain – text"
    assert one_line("a\nb\tc\x1b\u202e\udcff") == "a\\nb\\tc\\x1b\\u202e\\udcff"


def test_every_part_of_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    render.show_error(FpackError(EVIL, where=EVIL, why=EVIL, hint=EVIL))
    render.note(EVIL)
    render.warn(EVIL)
    said = capsys.readouterr().err
    assert not any(line.startswith(FORGED) for line in said.split("\n"))
    assert said.replace("\n", "").replace("\t", "").isprintable()
