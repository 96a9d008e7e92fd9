"""Fixtures of the examples' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fixtures import terminals as terminals
from support.processes.podman import Podman, podman_as


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    with podman_as("root") as podman:
        yield podman
