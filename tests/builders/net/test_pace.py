"""Test that transfers which are too slow to end are noticed."""

from __future__ import annotations

import pytest
from fpack.builders.net import pace


@pytest.mark.parametrize(
    ("size", "seconds", "is_slow"),
    [(1, 1, True), (1, 59, True), (99, 1, True), (100, 1, False), (1, 0.01, False), (1 << 18, 2000, False)],
)
def test_a_pace(size: int, seconds: float, is_slow: bool) -> None:
    now = 0.0

    def read() -> int:
        nonlocal now
        now += seconds
        return size

    measured = pace.Pace(lambda: now)
    try:
        for _ in range(200):
            assert measured.read(read) == size
            now += 1000  # the time of whoever uses the data
        assert not is_slow and measured.read(lambda: 0) == 0
    except TimeoutError as error:
        assert is_slow and "seconds" in str(error)
