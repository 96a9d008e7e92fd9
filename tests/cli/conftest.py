"""Fixtures of the commands' tests: users with a small archive of the test's own, and terminals to type into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fixtures import made as made
from support.fixtures import terminals as terminals
from support.people import MODES, Person, person
from support.program import Fpack
from support.shells import world


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    archive = world(tmp_path_factory.mktemp("archive"))
    archive.publish()
    return Fpack(tmp_path_factory.mktemp("user") / "home", archive)


@pytest.fixture(scope="module", params=MODES)
def user(request: pytest.FixtureRequest) -> Iterator[Person]:
    with person(request.param) as made:
        yield made
