"""Fixtures that tests of several rooms share. The conftest.py of a room imports those that its tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.greeter import Greeter, greeter
from support.shells import Terminal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    """The packed greeter project. Tests only read it."""
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """A list for the terminals that a test opens. They are closed after the test."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()
