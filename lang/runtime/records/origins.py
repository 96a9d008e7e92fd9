"""Describe how the fields of a record are computed: its origin, its parts, and the layers that change it.

The origin of a record says how to compute its fields again:

- None, or a class without origin: plain data, whose fields do not depend on each other;
- (builder, names): a record literal whose fields mention each other. `builder` returns the literal's own definitions;
  its parameters `names` are what the fields see instead of them;
- (function, argument, inner): the result of `function { ... }`, see call_layers.py;
- `FileOrigin` of module_loader.py: the record of a file;
- `Spread`: a record of several parts, `{ ...a, ...b, k = v }`;
- `Layers`: a record and the changes laid over it.
"""

from __future__ import annotations

from collections.abc import Callable

from fpack.light_typing import Any

from ..values import Value

Fields = dict[str, Value]


class Layer:
    """A change.

    adds: a field that a function of the record does not have becomes a field of the record. check: raises Fault for the
    fields that the change, a function, returns.
    """

    __slots__ = ("change", "adds", "check")

    def __init__(self, change: Value, adds: bool) -> None:
        self.change = change
        self.adds = adds
        self.check: Callable[[Fields], None] | None = None


class Layers:
    """The origin of a changed record: a record that was not changed, and the changes in their order."""

    __slots__ = ("base", "layers")

    def __init__(self, base: Fields, layers: tuple[Layer, ...]) -> None:
        self.base = base
        self.layers = layers


class Spread:
    """The origin of a record with parts that can be changed, from the lowest to the highest."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Fields, ...]) -> None:
        self.parts = parts


class FunctionPart:
    """A part that is a function of `old` and, perhaps, the whole.

    lowest: the index of the lowest part in `old`. nested: it changes a nested field of a literal with spreads.
    """

    __slots__ = ("layer", "lowest", "nested")

    def __init__(self, layer: Layer, lowest: int, nested: bool = False) -> None:
        self.layer = layer
        self.lowest = lowest
        self.nested = nested


class CalledPart:
    """A part that is the result of a call, changed or not."""

    __slots__ = ("value",)

    def __init__(self, value: Fields) -> None:
        self.value = value


class Assertions:
    """A part without fields: the assertions of a record, which are checked when the whole has its fields."""

    __slots__ = ("check",)

    def __init__(self, check: Callable[[], object]) -> None:
        self.check = check


Part = Any  # Fields, FunctionPart, CalledPart, Assertions or OnDemand


def origin_of(value: Value) -> Any:
    """Return the origin of a record; None for plain data."""
    return getattr(value, "origin", None)


def is_call(origin: Any) -> bool:
    """Return True for the origin of a call's result, changed or not."""
    if origin.__class__ is Layers:
        origin = origin_of(origin.base)
    return origin.__class__ is tuple and len(origin) == 3


def is_unchanged_call(value: Value) -> bool:
    """Return True for the result of a call that no layer has changed."""
    origin = origin_of(value)
    return origin.__class__ is tuple and len(origin) == 3
