"""Fixtures that tests of several rooms share. The conftest.py of a room imports those that its tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.store.store import Store
from support.archives.archive import Archive
from support.archives.shells import Terminal
from support.images.greeter import Greeter, greeter
from support.processes.program import Fpack, world
from support.servers.registry import Registry

GREETER = """
debian = import("fpack/debian").trixie
image = container { name = "greeter", packages = [debian.hello], closure = "linked" }
words = text("words", "some words")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    """Return the packed greeter project. Tests only read it."""
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return a small archive. Tests only read it."""
    return world(tmp_path_factory.mktemp("archive"))


@pytest.fixture(name="archive")
def own_archive(tmp_path: Path) -> Archive:
    """Return a small archive that a test may change."""
    return world(tmp_path / "archive")


@pytest.fixture(name="fpack")
def new_user(tmp_path: Path, archive: Archive) -> Fpack:
    """Return a user without a project."""
    return Fpack(tmp_path / "home", archive)


@pytest.fixture(name="fpack")
def user_of_greeter(tmp_path: Path, archive: Archive) -> Fpack:
    """Return a user with a project, of which nothing is built."""
    fpack = Fpack(tmp_path / "home", archive)
    (fpack.home / "fpack.fp").write_text(GREETER)
    return fpack


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Yield a list for the terminals that a test opens. They are closed after the test."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()
