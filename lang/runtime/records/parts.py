"""Split a record into its parts: the definitions of its literals, files, calls and layers, lowest first."""

from __future__ import annotations

from functools import partial
from types import FunctionType

from fpack.light_typing import Any

from ..operators import fields
from ..values import OnDemand, Thunk, Value, evaluated
from .origins import Assertions, CalledPart, Fields, FunctionPart, Layer, Layers, Part, Spread, is_call, origin_of


def known_changes(layers: tuple[Layer, ...]) -> Fields | None:
    """Return the definitions of layers that are plain data; None if another layer must be computed first."""
    found: Fields = {}
    for layer in layers:
        if layer.change.__class__ is not dict:
            return None
        found.update(layer.change)
    return found


def add_layers(
    layers: tuple[Layer, ...], target: Fields, parts: list[Part], known: Fields | None, low: int = 0
) -> None:
    """Add the parts of layers. low: the index of the lowest part that they change."""
    for layer in layers:
        if layer.change.__class__ is FunctionType:
            parts.append(FunctionPart(layer, low))
            continue
        first = len(parts)
        flatten(layer.change, target, parts, known, low)
        nested = getattr(layer.change, "nested", None)
        if nested:
            from .nested_fields import nested_part

            parts[first:] = [nested_part(part, nested, layer.adds, low) for part in parts[first:]]


def flatten(
    value: Fields, target: Fields, parts: list[Part], known: Fields | None = None, low: int | None = None
) -> None:
    """Add the parts of a record.

    target: the record that all definitions see. known: the final definitions of all changed fields if these are known,
    so that other fields need no thunk into the target. low: for a layer, the index of the lowest part that it changes.
    """
    if value.__class__ is dict:
        parts.append(value)
        return
    origin = None if value.__class__ is OnDemand else origin_of(value)
    if origin is None:
        parts.append(dict(fields(value).items()))
    elif is_call(origin):
        parts.append(CalledPart(value))
    elif origin.__class__ is Layers:
        low = len(parts)
        if known is not None and known_changes(origin.layers) is None:
            known = None
        below = None if known is None else {**(known_changes(origin.layers) or {}), **known}
        flatten(origin.base, target, parts, below)
        add_layers(origin.layers, target, parts, known, low)
    elif origin.__class__ is Spread:
        add_made(origin.parts, target, parts, low)
    else:
        made = _defined(origin, target, known)
        if made.__class__ is tuple and known is not None:  # a record that it spreads may define what fields mention
            made = _defined(origin, target, None)
        add_made(made, target, parts, low)


def _defined(origin: Any, target: Fields, known: Fields | None) -> Any:
    """Return the definitions of a literal or file, which see the fields of the target."""
    if origin.__class__ is tuple:
        builder, names = origin
        return builder(**seen(names, target, known))
    if known is not None:
        return origin.define(lambda name, own: known.get(name, own))
    return origin.define(lambda name, own: Thunk(partial(_field_of, target, name)))


def add_made(made: Any, target: Fields, parts: list[Part], low: int | None = None) -> None:
    """Add what a literal's builder returned: its definitions, or a tuple of them and of the records that it spreads.

    low: the index of the lowest part that nested fields change; None: that of the literal's first part.
    """
    if made.__class__ is tuple:
        low = len(parts) if low is None else low
        for part in made:
            if part.__class__ is FunctionType:
                parts.append(FunctionPart(Layer(part, True), low, True))
            elif part.__class__ is Assertions:
                parts.append(part)
            else:
                flatten(part, target, parts)
    else:
        parts.append(made)


def seen(names: tuple[str, ...], target: Fields, known: Fields | None) -> Fields:
    """Return what fields see by the names of their siblings: the fields of the target."""
    if known is not None:
        return {name: known[name] for name in names if name in known}
    return {name: Thunk(partial(_field_of, target, name)) for name in names}


def _field_of(target: Fields, name: str) -> Value:
    value = target[name]
    return evaluated(value)
