"""`fpack doc`: each thing is found by the name that a user would give it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("map", "map(xs, f)\n\n  Apply `f` to each element"),
        ("lists.take", 'take(xs: list, n: int)\n  of import("fpack/lists")\n\n  The first n elements'),
        ("fpack/lists.take", "take(xs: list, n: int)"),
        ("partition", "partition(xs: list, f: function)"),
        ("lists", "fpack/lists\n\n  More functions for lists"),
        ("container", "container({\n  packages: list,"),
        ("postgres", "fpack/postgres\n\n  PostgreSQL 17"),
    ],
)
def test_a_name(name: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doc", name]) == 0
    assert capsys.readouterr().out.startswith(shown)


def test_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doc"]) == 0
    out = capsys.readouterr().out
    assert " map " in out and "fpack/lists " in out and " postgres" in out and "prelude" not in out


NEAR = [("mpa", "`map`"), ("lists.takee", "`lists.take`"), ("contaner", "`container`")]


@pytest.mark.parametrize(("name", "near"), NEAR)
def test_the_nearest_name(name: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doc", name]) == 2
    assert f"did you mean {near}?" in capsys.readouterr().err


def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.fp").write_text("# What it is.\n\n# Five.\nfive = 5\n")
    assert main(["doc", "./a.fp"]) == 0
    assert capsys.readouterr().out == "./a.fp\n\n  What it is.\n\n  five\n      Five.\n"
    assert main(["doc", "./b.fp"]) == 2
    assert "cannot be read" in capsys.readouterr().err
