"""The files of a podman for tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.processes.podman import remove_home


def test_a_home_that_is_not_empty_after_its_deletion_leaves_the_directory_above_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise /tmp would be closed to all other users of the machine."""
    above, home = tmp_path / "tmp", tmp_path / "tmp/home"
    (home / "closed").mkdir(parents=True)
    (home / "closed/file").touch()
    above.chmod(0o1777)
    rmdir = os.rmdir

    def busy(path: str | Path, *, dir_fd: int | None = None) -> None:
        if Path(path) == home:
            raise OSError(16, "Device or resource busy", os.fspath(path))
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", busy)
    remove_home(home)
    assert os.listdir(home) == []
    assert above.stat().st_mode & 0o7777 == 0o1777
