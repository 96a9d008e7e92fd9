"""Set how often a property is tried: for random values, for cases made from seeds, or for some of many cases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def is_full() -> bool:
    """Return whether the profile is the full one, which `tests/run all` has."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "full"


def examples(number: int) -> int:
    """Return half of `number` in the full profile, and a quarter in the quick one. Each run tries other values."""
    return max(20, number // (2 if is_full() else 4))


def rounds(number: int) -> int:
    """Return `number` in the full profile, and less than half in the quick one. Each run tries the same cases."""
    return number if is_full() else (number - 1) // 2


def some(cases: Sequence[T], step: int, first: int = 0) -> Sequence[T]:
    """Return all cases in the full profile, and in the quick one each `step`th, from number `first` on."""
    return cases if is_full() else cases[first::step]
