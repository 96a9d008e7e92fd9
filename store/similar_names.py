"""Suggest known names that are similar to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_NAMES = 20_000  # comparing more takes too long


def similar(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.65) -> list[str]:
    """Return at most `count` of `known` that resemble `name`, the most likely first.

    A name that differs only in case and in `_` or `-` comes first, then one with the same letters in another order.
    cutoff: the least similarity, as of difflib.
    """
    names = sorted(set(known))
    same = [other for other in names if _plain(other) == _plain(name)]
    letters = sorted(name)
    swapped = [other for other in names if len(other) == len(name) and sorted(other) == letters]
    found = [*same, *swapped]
    if len(found) < count:
        import difflib  # only for an error message

        found += difflib.get_close_matches(name, names[:_MAX_NAMES], count, cutoff)
    return list(dict.fromkeys(found))[:count]


def did_you_mean(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.65) -> str:
    """Return a hint that names similar names, or an empty string."""
    found = similar(name, known, count, cutoff)
    return f"did you mean {' or '.join(f'`{other}`' for other in found)}?" if found else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
