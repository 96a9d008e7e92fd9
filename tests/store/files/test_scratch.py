"""Directories beside what is written: they are deleted, also those of killed processes, and no others."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from fpack.store.files.scratch import scratch_directory


def test_it_is_deleted_at_the_end_and_on_errors(tmp_path: Path) -> None:
    with scratch_directory(tmp_path / "x") as path:
        (path / "a").mkdir()
        assert path.parent == tmp_path
    with pytest.raises(ZeroDivisionError), scratch_directory(tmp_path / "x") as path:
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_it_can_be_renamed(tmp_path: Path) -> None:
    with scratch_directory(tmp_path / "x") as path:
        (path / "x").mkdir()
        os.rename(path / "x", tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]


def test_those_of_killed_processes_are_deleted_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        with scratch_directory(tmp_path / "x") as path:
            (path / "large").write_bytes(b"x")
            os.write(told, b".")
            signal.pause()
    os.read(ready, 1)
    with scratch_directory(tmp_path / "x"):
        assert len(os.listdir(tmp_path)) == 2
    (left,) = os.listdir(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with scratch_directory(tmp_path / "y"):
        assert left in os.listdir(tmp_path), "it is of another file"
    with scratch_directory(tmp_path / "x"):
        assert left not in os.listdir(tmp_path)
    os.close(ready)
    os.close(told)


def test_links_and_files_of_such_names_are_left(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").touch()
    (tmp_path / f".x.{'0' * 12}").symlink_to("other")
    (tmp_path / f".x.{'1' * 12}").touch()
    with scratch_directory(tmp_path / "x"):
        pass
    assert sorted(os.listdir(tmp_path)) == [f".x.{'0' * 12}", f".x.{'1' * 12}", "other"]
    assert os.listdir(tmp_path / "other") == ["kept"]
