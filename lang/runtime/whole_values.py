"""Evaluate values with all that they contain, and convert them to the types of JSON for display."""

from __future__ import annotations

from types import FunctionType

from fpack.lang.errors import Fault
from fpack.light_typing import Any

from .argument_checks import bounded
from .values import OnDemand, Path, Secret, Value, evaluated, is_derivation

MAX_DEPTH = 1000


def forced(v: Value, depth: int = 0) -> Value:
    """Return a value, with its elements and fields evaluated, except unselected on-demand fields."""
    v = evaluated(v)
    if depth > MAX_DEPTH:
        raise Fault("A value is nested too deeply, or contains itself")
    if v.__class__ is list:
        return [forced(x, depth + 1) for x in v]
    if isinstance(v, dict):
        for k, x in list(v.items()):
            v[k] = forced(x, depth + 1)
    return v


def shown(v: Value, depth: int = 0) -> Any:
    """Return the types of JSON for a value, as `Evaluator.to_json` describes."""
    v = evaluated(v)
    if depth > MAX_DEPTH:
        raise Fault("A value is nested too deeply, or contains itself")
    if v.__class__ is list:
        return [shown(x, depth + 1) for x in v]
    if is_derivation(v):
        return {"derivation": evaluated(v["out"])}
    if v.__class__ is OnDemand:
        return {"on-demand": v.what}
    if isinstance(v, dict):
        return {k: shown(x, depth + 1) for k, x in sorted(v.items())}
    if v.__class__ is Path:
        return {"path": v.path}
    if v.__class__ is Secret:
        return {"secret": v.name}
    if v.__class__ is FunctionType:
        code = v.__code__
        params = code.co_varnames[: code.co_argcount]
        return {"function": ["{ ... }" if p.startswith(".") else p for p in params]}
    return bounded(v) if v.__class__ is int else v
