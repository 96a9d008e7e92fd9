"""Notice transfers that are too slow to end: a byte now and then keeps each read within its limit."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW = 60.0  # seconds of waiting
LEAST = 100  # bytes a second


class Pace:
    """The pace of one transfer. Only the time that its reads take counts, not that of whoever uses the data."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waited = 0.0
        self._bytes = 0

    def read(self, read: Callable[[], bytes]) -> bytes:
        """Return what `read` returns. Raise TimeoutError if fewer than LEAST bytes a second came in WINDOW seconds."""
        begun = self._clock()
        data = read()
        self._waited += self._clock() - begun
        self._bytes += len(data)
        if data and self._waited >= WINDOW:
            if self._bytes < LEAST * self._waited:
                raise TimeoutError(f"{self._bytes} bytes came in {self._waited:.0f} seconds")
            self._waited, self._bytes = 0.0, 0
        return data
