"""Keep the changes of a set of packages when the set is taken for another platform.

The library's sets of packages have a field `for`: `set.for("arm64")` is the same set for another platform. Of a changed
set, it is the base for that platform, with the same changes.
"""

from __future__ import annotations

from collections.abc import Callable

from fpack.light_typing import Any

from ..values import Value, evaluated

FOR = "for"


def keeping(found: Value, base: dict[str, Value], again: Callable[[dict[str, Value]], Value]) -> Value:
    """Return the field `for` of a changed set.

    found: the field as the changes leave it; base: the set before the changes; again: makes them to another base.
    """
    if not _is_of_library(found) or found is not evaluated(base[FOR]):
        return found

    def for_(platform: Value) -> Value:
        moved = found(platform)
        return again(moved) if isinstance(moved, dict) else moved

    return for_


def _is_of_library(function: Value) -> bool:
    """Return True for a function of the library: another field `for` is the user's own."""
    source: Any = getattr(function, "__globals__", {}).get(".source")
    return source is not None and bool(source.library)
