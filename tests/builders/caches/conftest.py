"""Share among tests of caches: derivations to build, and a machine that builds them and pushes the outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stores.caches import Graph, Machine, machine


@pytest.fixture
def graph() -> Graph:
    return Graph()


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "producer") as made:
        yield made
