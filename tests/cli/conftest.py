"""Fixtures of the commands' tests: users with a small archive of the test's own, and terminals to type into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.archives.shells import world
from support.fixtures import made as made
from support.fixtures import terminals as terminals
from support.images.shop import packed_shop as packed_shop
from support.processes.people import MODES, Person, person
from support.processes.program import Fpack


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = world(tmp_path_factory.mktemp("archive"))
    made.publish()
    return made


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Fpack:
    return Fpack(tmp_path_factory.mktemp("user") / "home", archive)


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a directory with the module's PROJECT."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "fpack.fp").write_text(request.module.PROJECT)
    return place


@pytest.fixture(scope="module", params=MODES)
def user(request: pytest.FixtureRequest) -> Iterator[Person]:
    with person(request.param) as made:
        yield made
