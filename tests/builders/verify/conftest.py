"""Fixtures of the verifier's tests."""

from __future__ import annotations

import pytest
from support.images.greeter import Greeter
from support.images.shop import packed_shop as packed_shop
from support.images.tamper import Image


@pytest.fixture
def image(made: Greeter) -> Image:
    """Return the greeter's image taken apart, for a test to change."""
    return Image.load(made.tar)
