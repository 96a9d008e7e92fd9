"""Errors of the system as errors for the user: what they name, and that no module reads the name in another way."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import fpack.builders
import fpack.cli
import fpack.store
import pytest
from fpack.store.files.disk_errors import explain, path_of


@pytest.mark.parametrize(("filename", "path"), [("/a", "/a"), (b"/a\xff", "/a\udcff"), (7, ""), (None, "")])
def test_a_call_on_a_descriptor_names_no_path(filename: Any, path: str) -> None:
    error = OSError(errno.EIO, "Input/output error", filename)
    assert path_of(error) == path
    explained = explain(error, "where it was")
    assert explained is not None and explained.where == (path or "where it was")


@pytest.mark.parametrize(("names", "named"), [(("usr/bin", "/store/bin"), "/store/bin"), (("/a", "digest"), "/a")])
def test_a_link_that_finds_no_inode_is_named_and_not_its_target(
    names: tuple[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.statvfs_result((4096, 4096, 100, 50, 50, 400, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda directory: full if directory in ("/store", "/") else None)
    explained = explain(OSError(errno.ENOSPC, "No space left on device", names[0], None, names[1]))
    assert explained is not None and explained.where == named
    assert explained.what == "The disk has no room for another file: all its inodes are in use"


@pytest.mark.parametrize(
    ("free", "free_inodes", "what"),
    [(50, 40, "inodes"), (10, 200, "The disk is full"), (0, 0, "The disk is full"), (99, 399, "The disk is full")],
)
def test_what_was_used_up_is_told_although_the_rest_of_it_was_deleted(
    free: int, free_inodes: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.statvfs_result((4096, 4096, 100, free, free, 400, free_inodes, free_inodes, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda directory: status)
    explained = explain(OSError(errno.ENOSPC, "No space left on device", "/store/new"))
    assert explained is not None and what in explained.what


def test_a_write_that_finds_no_room_names_the_file_system() -> None:
    explained = explain(OSError(errno.ENOSPC, "No space left on device"), "hello", disk="/store")
    assert explained is not None and explained.where == "/store"


def test_the_place_of_an_error_is_always_a_text() -> None:
    """`OSError.filename` can be a number or bytes."""
    wrong = []
    for package in (fpack.builders, fpack.cli, fpack.store):
        for folder in package.__path__:
            for file in Path(folder).rglob("*.py"):
                if re.search(r"where=(str\()?\w+\.filename", file.read_text()):
                    wrong.append(file)
    assert wrong == []
