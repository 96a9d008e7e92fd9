"""Define the builtins that show a message while a value is computed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, FunctionType

from fpack.lang.runtime.argument_checks import text_of
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.values import OnDemand, Path, Secret, Value, describe, evaluated, is_derivation

LONGEST = 2000  # characters of a message
_MAX_DEPTH = 20
_MAX_ITEMS = 100

# Takes `trace` or `warning`, the text, and the frame of the call.
Show = Callable[[str, str, FrameType], None]


def functions(show: Show, deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtins by name."""

    def trace(message: Value, x: Value, /) -> Value:
        """trace(message, x): Print a message, which may be any value, then return `x`. It is printed each time that the
        call is computed; a value is computed when it is needed, and once.

            trace("computed now", 1 + 1) == 2
        """
        import json

        message = evaluated(message)
        text = message if message.__class__ is str else json.dumps(_shown(message, deriver, 0), ensure_ascii=False)
        show("trace", text if len(text) <= LONGEST else text[:LONGEST] + "...", sys._getframe(1))
        return evaluated(x)

    def warn(message: Value, x: Value, /) -> Value:
        """warn(message, x): Print a warning, then return `x`. A warning of one place is printed once.

        warn("this field is deprecated", 5) == 5
        """
        show("warning", text_of(message)[:LONGEST], sys._getframe(1))
        return evaluated(x)

    return {"trace": trace, "warn": warn}


def _shown(value: Value, deriver: Deriver, depth: int) -> object:
    """Convert a value to the types of JSON for display, without the parts that are too deep or too many."""
    value = evaluated(value)
    if value.__class__ in (FunctionType, OnDemand, Secret):
        return describe(value)
    if value.__class__ is Path:
        return value.path
    if is_derivation(value):
        return deriver.text(value)
    if value.__class__ is list or isinstance(value, dict):
        if depth >= _MAX_DEPTH:
            return "..."
        if value.__class__ is list:
            return [_shown(item, deriver, depth + 1) for item in value[:_MAX_ITEMS]]
        return {name: _shown(value[name], deriver, depth + 1) for name in sorted(value)[:_MAX_ITEMS]}
    return value
