"""Notice transfers that are too slow to end: a byte now and then keeps each read within its limit."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW = 60.0  # seconds of waiting
LEAST = 100  # bytes a second


class Pace:
    """The pace of one answer. Only the time that its reads take counts, not that of whoever uses the data."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waited = 0.0
        self._bytes = 0
        self._has_begun = False

    def read(self, read: Callable[[], int | None]) -> int | None:
        """Return the number of bytes that `read` returns. Raise TimeoutError if they come too slowly.

        That is: fewer than LEAST bytes a second in WINDOW seconds. The wait for the first bytes does not count, because
        a server may work before it answers.
        """
        begun = self._clock()
        count = read()
        if self._has_begun:
            self._waited += self._clock() - begun
            self._bytes += count or 0
        self._has_begun = True
        if count and self._waited >= WINDOW:
            if self._bytes < LEAST * self._waited:
                raise TimeoutError(f"{self._bytes} bytes came in {self._waited:.0f} seconds")
            self._waited, self._bytes = 0.0, 0
        return count
