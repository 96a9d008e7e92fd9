"""Fixtures of the builders' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fixtures import made as made
from support.images.small_images import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "fpack")
