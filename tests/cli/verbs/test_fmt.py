"""`fpack fmt` on files and directories, as a check, as a diff and as a filter."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from fpack.cli.main import main

UGLY, FINE = "a=1\nb = [ 1,2,]\n", "a = 1\nb = [1, 2]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ugly.fp").write_text(UGLY)
    (tmp_path / "fine.fp").write_text(FINE)
    (tmp_path / "note.txt").write_text("a=1")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.fp").write_text(UGLY)
    return tmp_path


def test_files_below_the_directory_are_formatted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod(folder / "lib" / "ugly.fp", 0o640)
    assert main(["fmt"]) == 0
    assert (folder / "lib" / "ugly.fp").read_text() == FINE
    assert (folder / "lib" / "ugly.fp").stat().st_mode & 0o777 == 0o640
    assert (folder / "note.txt").read_text() == "a=1"
    assert (folder / ".hidden" / "x.fp").read_text() == UGLY
    assert "formatted 1 file" in capsys.readouterr().err
    assert main(["fmt"]) == 0
    assert capsys.readouterr().err == ""
    assert sorted(p.name for p in (folder / "lib").iterdir()) == ["ugly.fp"]


def test_check_names_files_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", "."]) == 1
    assert capsys.readouterr().out == "lib/ugly.fp\n"
    assert (folder / "lib" / "ugly.fp").read_text() == UGLY
    assert main(["fmt", "--check", "fine.fp"]) == 0


def test_diff_shows_the_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--diff", "lib"]) == 0
    shown = capsys.readouterr().out
    assert "-a=1\n" in shown and "+a = 1\n" in shown and "--- lib/ugly.fp" in shown
    assert (folder / "lib" / "ugly.fp").read_text() == UGLY
    assert main(["fmt", "--diff", "--check", "lib"]) == 1


def test_a_filter(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbfa="\xc3\xbc"\r\nb=2')))
    assert main(["fmt", "-"]) == 0
    assert capfdbinary.readouterr().out == 'a = "ü"\nb = 2\n'.encode()


def test_a_bad_file_is_told_and_the_others_are_formatted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.fp").write_text("a = {")
    (folder / "bytes.fp").write_bytes(b"a = \xff")
    assert main(["fmt"]) == 3
    shown = capsys.readouterr().err
    assert "bad.fp:1:5" in shown and "bytes.fp:1:5" in shown
    assert (folder / "bad.fp").read_text() == "a = {"
    assert (folder / "lib" / "ugly.fp").read_text() == FINE


def test_a_link_stays_one(folder: Path) -> None:
    (folder / "link.fp").symlink_to("lib/ugly.fp")
    assert main(["fmt", "link.fp"]) == 0
    assert (folder / "link.fp").is_symlink()
    assert (folder / "lib" / "ugly.fp").read_text() == FINE


def test_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "nosuch.fp"]) == 2
    assert "nosuch.fp" in capsys.readouterr().err


def test_a_text_that_is_too_deep_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deep.fp").write_text("a = " + "(" * 5000)
    assert main(["fmt", "deep.fp"]) == 3
    assert "nested" in capsys.readouterr().err
