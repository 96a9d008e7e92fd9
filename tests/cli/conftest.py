"""What tests of shells share: a user with a small archive of the test's own, and terminals to type into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.program import Fpack
from support.shells import Terminal, world


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    archive = world(tmp_path_factory.mktemp("archive"))
    archive.publish()
    return Fpack(tmp_path_factory.mktemp("user") / "home", archive)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()
