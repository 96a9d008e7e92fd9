"""Fixtures of the examples' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.examples import World
from support.fixtures import terminals as terminals
from support.processes.podman import Podman, podman_as
from support.stores.shared import shared_store


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    with podman_as("root") as podman:
        yield podman


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a user with the machine's mirrors, and a copy of the store that examples share."""
    return World(tmp_path_factory.mktemp("examples"), store=shared_store(tmp_path_factory))
