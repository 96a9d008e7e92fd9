"""Set how often a property is tried: for random values, or for cases made from seeds."""

from __future__ import annotations

import os


def examples(number: int) -> int:
    """Return half of `number` in the full profile, and a quarter in the quick one. Each run tries other values."""
    return max(20, number // (2 if os.environ.get("HYPOTHESIS_PROFILE") == "full" else 4))


def rounds(number: int) -> int:
    """Return `number` in the full profile, and less than half in the quick one. Each run tries the same cases."""
    return number if os.environ.get("HYPOTHESIS_PROFILE") == "full" else (number - 1) // 2
