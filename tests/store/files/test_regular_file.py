"""Reading a file that may be a stranger's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import read_bytes, read_small


def test_a_regular_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "file", 9) == read_bytes(tmp_path / "link", 9) == b"12345"
    assert read_bytes(tmp_path / "file", 3) == b"123"


def test_anything_else_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device", "."):
        with pytest.raises(OSError):
            read_bytes(tmp_path / name, 9)


def test_a_small_file_of_a_tree_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_small(tmp_path / "a", 5) == b"12345"
    with pytest.raises(StoreError, match="too large"):
        read_small(tmp_path / "a", 4)
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(StoreError):
        read_small(tmp_path / "zero")
