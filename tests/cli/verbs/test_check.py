"""`fpack check` on files and directories: what it shows, what it prints for programs, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.cli.main import main
from support.processes.program import Fpack


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "bad.fp").write_text("a = contaner { packages = [] }\nb = undefined-too\n")
    (tmp_path / "fpack.fp").write_text('f(x) = 1\nbad = import("./lib/bad.fp")\n')
    return tmp_path


def test_several_errors_look_like_those_of_an_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 1
    shown = capsys.readouterr().err
    assert "error: The name `contaner` is not defined\n  --> lib/bad.fp:1:5\n 1 | a = contaner {" in shown
    assert "hint: did you mean `container`?" in shown
    assert "--> lib/bad.fp:2:5" in shown
    assert "warning: The parameter `x` is not used\n  --> fpack.fp:1:3\n" in shown
    assert shown.endswith("2 errors, 1 warning\n")


def test_warnings_alone_are_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "fpack.fp"]) == 0
    assert capsys.readouterr().err.endswith("1 warning\n")
    (folder / "fine.fp").write_text("a = 1\n")
    assert main(["check", "fine.fp"]) == 0
    assert capsys.readouterr().err == ""


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "lib"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "file": "lib/bad.fp", "line": 1, "column": 5, "end_line": 1, "end_column": 13, "severity": "error",
        "rule": "undefined", "message": "The name `contaner` is not defined", "why": None,
        "hint": "did you mean `container`?",
    }  # fmt: skip
    assert second["line"] == 2


def test_nothing_is_evaluated(folder: Path) -> None:
    (folder / "x.fp").write_text('a = error("evaluated")\nassert false, "evaluated"\nb = 1 / 0\n')
    assert main(["check", "x.fp"]) == 0


def test_what_is_no_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "x.fp").write_bytes(b"a = \xff")
    assert main(["check", "x.fp"]) == 1
    assert "x.fp:1:5" in capsys.readouterr().err
    assert main(["check", "none.fp"]) == 2
    (folder / "deep.fp").write_text("a = " + "-(" * 190 + "1" + ")" * 190)
    assert main(["check", "deep.fp"]) == 0


def test_a_package_that_the_locked_index_lacks_is_an_error(fpack: Fpack) -> None:
    """The index of the lock tells, without a request; without a lock, nothing is told."""
    text = 'debian = import("fpack/debian")\nset = debian.trixie\n'
    text += "a = [set.dash, debian.trixie.coreutil, set.zlibx or 1]\n"
    file = fpack.home / "fpack.fp"
    file.write_text(text)
    fpack("check")
    file.write_text(text.replace("coreutil", "coreutils"))
    fpack("lock")
    file.write_text(text)
    done = fpack("check", status=1, env={"FPACK_MIRROR": "debian=file:///nowhere only"})
    assert "There is no package 'coreutil' in trixie for amd64\n  --> fpack.fp:3:30" in done.stderr
    assert "did you mean coreutils" in done.stderr and "1 error" in done.stderr
