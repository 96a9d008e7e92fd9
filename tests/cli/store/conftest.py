"""Fixtures of the tests of `fpack store`: a user whose store holds a packed image and a built text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fpack.store.files.pool import MTIME
from support.archive import Archive
from support.program import Fpack, world

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "greeter", packages = [debian.hello], closure = "linked" }
words = text("words", "some words")
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return world(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    fpack = Fpack(tmp_path / "home", archive)
    (fpack.home / "fpack.fp").write_text(PROJECT)
    return fpack


class Ask:
    """Runs commands and returns the JSON that they print."""

    def __init__(self, fpack: Fpack) -> None:
        self._fpack = fpack

    def __call__(self, *args: str | Path, **options: Any) -> Any:
        return json.loads(self._fpack(*args, "--json", **options).stdout)


@pytest.fixture
def ask(fpack: Fpack) -> Ask:
    return Ask(fpack)


def flip(path: Path) -> None:
    """Change one bit of a file and nothing that its status shows."""
    mode = path.stat().st_mode & 0o777
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (MTIME, MTIME))
