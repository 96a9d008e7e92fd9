"""Fixtures of the attacks on builds: processes that run hostile builds, as root and as an unprivileged user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.attacks.builds import MODES, Caller, callers


@pytest.fixture(scope="module", params=MODES)
def two(request: pytest.FixtureRequest) -> Iterator[list[Caller]]:
    """Yield two processes that share one store."""
    with callers(request.param, 2) as made:
        yield made


@pytest.fixture(scope="module")
def caller(two: list[Caller]) -> Caller:
    return two[0]
