"""A working directory that something deletes while a command runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.cli import main, quick_commands
from fpack.cli.ui.render import relative
from fpack.cli.workspace.source_files import shown
from fpack.store.errors import FpackError


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "gone"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def test_it_is_told_as_at_the_start(
    gone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[str]) -> int:
        gone.rmdir()
        return len(os.getcwd())

    monkeypatch.setattr(quick_commands, "run", run)
    said = []
    for _ in range(2):  # while it runs, and at its start
        assert main.main(["log"]) == 2
        said.append(capsys.readouterr().err)
    assert said == ["error: The working directory no longer exists\n  try:   cd to another directory\n"] * 2


def test_an_error_that_names_a_file_is_told_nevertheless(
    gone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fpack.lock"

    def run(argv: list[str]) -> int:
        gone.rmdir()
        raise FpackError("It is wrong", where=f"{relative(file)} {shown(file)}")

    monkeypatch.setattr(quick_commands, "run", run)
    assert main.main(["log"]) == 1
    assert capsys.readouterr().err == f"error: It is wrong\n  where: {file} {file}\n"
