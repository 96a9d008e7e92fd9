"""Fixtures of the tests of maintainer scripts: processes that run them, as root and as an unprivileged user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.attacks.builds import MODES
from support.stores.configured import Configurer, configurers


@pytest.fixture(scope="module", params=MODES)
def two(request: pytest.FixtureRequest) -> Iterator[list[Configurer]]:
    """Yield two processes that share one store."""
    with configurers(request.param, 2) as made:
        yield made


@pytest.fixture(scope="module")
def caller(two: list[Configurer]) -> Configurer:
    return two[0]
