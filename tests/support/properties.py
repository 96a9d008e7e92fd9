"""Set how often a property of random values is tried."""

from __future__ import annotations

import os


def examples(number: int) -> int:
    """Return `number` in the full profile, and a quarter in the quick one. Each run tries other values."""
    return number if os.environ.get("HYPOTHESIS_PROFILE") == "full" else max(20, number // 4)
