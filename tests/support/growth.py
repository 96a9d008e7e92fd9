"""Check that the processor time of a function grows in proportion to its input, and not with the square of it."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES = 10  # by which the larger input is larger


def check_linear(run: Callable[[int], object], size: int = 4000) -> None:
    """Call `run` with two sizes. Raise AssertionError if the larger takes more than three times its share.

    A tenth of a second is allowed for what does not depend on the size. A quadratic pattern takes about 0.1 seconds
    for 4000 characters, and so 10 for the larger input.
    """
    small, large = _seconds(run, size), _seconds(run, TIMES * size)
    assert large <= 3 * TIMES * small + 0.1, f"{size}: {small:.4f} s, {TIMES * size}: {large:.4f} s"


def _seconds(run: Callable[[int], object], size: int) -> float:
    begun = time.thread_time()
    run(size)
    return time.thread_time() - begun
