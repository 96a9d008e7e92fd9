"""Fixtures of the tests of `fpack store`: a user whose store holds a packed image and a built text."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fpack.store.files.pool import MTIME
from support.archives.archive import Archive
from support.fixtures import GREETER
from support.fixtures import archive as archive
from support.fixtures import user_of_greeter as user_of_greeter
from support.processes.program import Fpack


@pytest.fixture(scope="session")
def packed_home(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Path:
    """Return the home of a user who has packed the project's image."""
    fpack = Fpack(tmp_path_factory.mktemp("packed") / "home", archive)
    (fpack.home / "fpack.fp").write_text(GREETER)
    fpack.pack()
    return fpack.home


@pytest.fixture
def packed(tmp_path: Path, packed_home: Path, archive: Archive) -> Fpack:
    """Return a user who has packed the project's image."""
    subprocess.run(["cp", "-a", packed_home, tmp_path / "home"], check=True)
    return Fpack(tmp_path / "home", archive)


class Ask:
    """Runs commands and returns the JSON that they print."""

    def __init__(self, fpack: Fpack) -> None:
        self._fpack = fpack

    def __call__(self, *args: str | Path, **options: Any) -> Any:
        return json.loads(self._fpack(*args, "--json", **options).stdout)


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Ask:
    name = "packed" if "packed" in request.fixturenames else "fpack"
    return Ask(request.getfixturevalue(name))


def flip(path: Path) -> None:
    """Change one bit of a file and nothing that its status shows."""
    mode = path.stat().st_mode & 0o777
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (MTIME, MTIME))
