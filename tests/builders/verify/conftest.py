"""Fixtures of the verifier's tests."""

from __future__ import annotations

import pytest
from support.greeter import Greeter
from support.shop import packed_shop as packed_shop
from support.tamper import Image


@pytest.fixture
def image(made: Greeter) -> Image:
    """Return the greeter's image taken apart, for a test to change."""
    return Image.load(made.tar)
