"""Fixtures of the tests of derivation kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stores.task import FakeStore


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(tmp_path / "root")
