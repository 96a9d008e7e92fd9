"""Test the three answers about a path: it exists, it does not exist, and it cannot be known."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fpack.store.files.presence import is_present, link_target


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    assert all(is_present(tmp_path / name) for name in ("", "file", "dangling", "loop"))
    assert not any(
        is_present(tmp_path / name) for name in ("x", "x/y", "file/x", "loop/x", "dangling/x", "x" * 256, "x\0")
    )
    assert link_target(tmp_path / "dangling") == "nothing"
    assert [link_target(tmp_path / name) for name in ("", "file", "x", "file/x", "loop/x")] == [None] * 5


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_an_error_is_no_absence(error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> None:
        raise OSError(error, os.strerror(error), path)

    monkeypatch.setattr(os, "lstat", fail)
    monkeypatch.setattr(os, "readlink", fail)
    for call in (is_present, link_target):
        with pytest.raises(OSError) as caught:
            call(tmp_path)
        assert caught.value.errno == error
