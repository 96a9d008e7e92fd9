"""Share among tests of images: a small signed archive, and a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.fixtures import registry as registry
from support.images.based_images import Lower, copy_of, pushed_lower
from support.processes.program import Fpack, world


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return world(tmp_path / "archive")


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    return Fpack(tmp_path / "home", archive)


@pytest.fixture(scope="module")
def pushed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lower]:
    """Push the image of the module's LOWER."""
    with pushed_lower(tmp_path_factory.mktemp("lower"), request.module.LOWER) as made:
        yield made


@pytest.fixture
def lower(pushed: Lower, tmp_path: Path) -> Iterator[Lower]:
    """Yield a copy that a test may change."""
    with copy_of(pushed, tmp_path / "home") as copied:
        yield copied
