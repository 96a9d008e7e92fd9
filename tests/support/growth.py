"""Check that the processor time of a function grows in proportion to its input, and not with the square of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TIMES = 10  # by which the larger input is larger


def check_linear(run: Callable[[int], object], size: int = 4000) -> None:
    """Call `run` with two sizes. Raise AssertionError if the larger takes more than three times its share.

    A tenth of a second is allowed for what does not depend on the size. A quadratic pattern takes about 0.1 seconds
    for 4000 characters, and so 10 for the larger input.
    """
    small = _seconds(run, size)
    allowed = 3 * TIMES * small + 0.1
    large = _seconds(run, TIMES * size)
    for _ in range(2):
        if large > allowed:  # other programs on the processor can only add to the time
            large = min(large, _seconds(run, TIMES * size))
    assert large <= allowed, f"{size}: {small:.4f} s, {TIMES * size}: {large:.4f} s"


def _seconds(run: Callable[[int], object], size: int) -> float:
    was_enabled = gc.isenabled()
    gc.disable()  # a collection visits all objects of all tests before
    try:
        begun = time.thread_time()
        run(size)
        return time.thread_time() - begun
    finally:
        if was_enabled:
            gc.enable()
