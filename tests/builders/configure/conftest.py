"""Fixtures of the tests of maintainer scripts: processes that run them, as root and as an unprivileged user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.attacks.builds import MODES
from support.stores.configured import Configurer, configurers


@pytest.fixture(scope="module", params=MODES)
def caller(request: pytest.FixtureRequest) -> Iterator[Configurer]:
    with configurers(request.param) as (one,):
        yield one
