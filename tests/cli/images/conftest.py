"""What the tests of images share: a small signed archive, and a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world
from support.servers.registry import Registry


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return world(tmp_path / "archive")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as running:
        yield running


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    return Fpack(tmp_path / "home", archive)
