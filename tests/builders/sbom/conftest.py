"""Fixtures of the tests of bills of materials."""

from __future__ import annotations

import pytest
from support.reports.billed import Billed, billed


@pytest.fixture(scope="module", name="billed")
def billed_project(tmp_path_factory: pytest.TempPathFactory) -> Billed:
    """Return a project whose bills the tests read."""
    return billed(tmp_path_factory.mktemp("billed") / "home")
