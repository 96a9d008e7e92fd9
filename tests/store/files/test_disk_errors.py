"""Errors of the system as errors for the user: what they name, and that no module reads the name in another way."""

from __future__ import annotations

import errno
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


def test_the_place_of_an_error_is_always_a_text() -> None:
    """`OSError.filename` can be a number or bytes."""
    wrong = []
    for package in (fpack.builders, fpack.cli, fpack.store):
        for folder in package.__path__:
            for file in Path(folder).rglob("*.py"):
                if re.search(r"where=(str\()?\w+\.filename", file.read_text()):
                    wrong.append(file)
    assert wrong == []
