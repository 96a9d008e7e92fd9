"""The runtime for records that are made anew: `.with`, `.extend`, and what calls and recursive records remember.

A record that can be made anew has an `origin`, a function from changes to the new record: of a recursive record it
evaluates the other fields against the changed ones, of a call it calls again, of an extended set it adds a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

from fpack.lang.abi import FRESH, PROMISE
from fpack.lang.errors import Fault

from .argument_checks import check_arity
from .operators import fields
from .values import MISSING, OnDemand, Record, Thunk, Value, describe, evaluated
from .values import made as made_by

_FRESH = PROMISE + FRESH
# The docstring of what `.with` is: the record that it makes remembers already how it is made anew. Were each to
# remember the one before, the last of many would take as many calls.
_REMEMBERS = "\1"


def record(builder: Callable[..., dict[str, Value]], names: tuple[str, ...]) -> Record:
    """A record whose fields mention each other. builder: makes it, with other values for `names` if they are given."""
    return made_by(builder(), lambda changes: _rebuilt(builder, names, changes))


def _rebuilt(builder: Callable[..., dict[str, Value]], names: tuple[str, ...], changes: dict[str, Value]) -> Record:
    seen = {name: changes[name] for name in names if name in changes}
    made = {**builder(**seen), **changes}
    return made_by(made, lambda more: _rebuilt(builder, names, {**changes, **more}))


def opened(value: Value, function: Callable[[Value], Value], given: dict[str, Value]) -> Value:
    """The result of `function { ... }`: if it is a record, `.with` calls the function again on the changed record."""
    if value.__class__ is Record:
        if value.origin.__class__ is Layers:
            return value  # a set remembers more than its last layer
        promise = function.__doc__ or ""
        if promise == _REMEMBERS:
            return value
        if promise[:2] != _FRESH:
            value = Record(value)
    elif value.__class__ is dict:
        value = Record(value)
    else:
        return value
    value.origin = (function, given)
    return value


_eager: dict[tuple[str | None, str], bool] = {}


def eager(function: Value, wanted: str) -> bool:
    """Whether a function is sure to evaluate all that is wanted of the record that it is called with.

    What a promise and what is wanted look like, stands in recordcalls.py.
    """
    promise = function.__doc__
    try:
        return _eager[promise, wanted]
    except KeyError:
        pass
    found = _eager[promise, wanted] = _keeps(promise or "", wanted.split())
    return found


def _keeps(promise: str, wanted: list[str]) -> bool:
    if not promise.startswith(PROMISE):
        return False
    needs = {word for word in wanted if "=" not in word}
    given = dict(word.split("=") for word in wanted if "=" in word)
    words = promise[1:].split()
    if needs <= set(words):
        return True
    if "..." in given or not needs <= {word.removesuffix("?") for word in words}:
        return False
    for record, _, outdoable in (word.partition("!") for word in words if "!" in word):
        keys = given.get(record, "")
        if keys == "?" or not set(keys.split(",")).isdisjoint(outdoable.split(",")):
            return False
    return True


def apart(names: frozenset[str], *records: dict[str, Value]) -> bool:
    """Whether no record has a field of these names."""
    return all(map(names.isdisjoint, records))


def make(function: Value, wanted: str, parts: Callable[[int], Value]) -> Callable[[int], Value]:
    """What makes the parts of a record: their values where the function evaluates them all, else thunks."""
    return parts if eager(function, wanted) else later(parts)


def later(parts: Callable[[int], Value]) -> Callable[[int], Value]:
    """What makes thunks of the parts of a record. Of a part that is `base.name`, it takes what is there already."""

    def make(part: int, base: Value = None, name: str = "") -> Value:
        if base.__class__ is Thunk:
            held = base.cell_contents
            base = held[0] if held.__class__ is tuple else None
        if base.__class__ is dict or base.__class__ is Record:
            found = base.get(name, MISSING)
            if found is not MISSING:
                return found
        return Thunk(partial(parts, part))

    return make


def with_(value: Value) -> Value:
    """What `.with` of a record is: the function that makes it anew with other fields."""
    if not isinstance(value, dict):
        raise Fault(f"`.with` changes records, and this is {describe(value)}")
    if "with" in value:
        return evaluated(value["with"])

    def changed(changes: Value) -> Value:
        changes = evaluated(changes)
        if changes.__class__ is FunctionType:
            check_arity(changes, 1, ".with")
            changes = changes(value)
        if not isinstance(changes, dict):
            hint = "write .with { FIELD = VALUE } or .with(old => { FIELD = old.FIELD + ... })"
            raise Fault(f"`.with` takes a record of changes, and this is {describe(changes)}", hint=hint)
        return remade(value, fields(changes))

    changed.__doc__ = _REMEMBERS
    return changed


def extend(value: Value) -> Value:
    """What `.extend` of a record is: the function that lays a layer of fields over it.

    A layer is a record, or a function of the set before it and of the finished set, which it may use in its fields.
    """
    if not isinstance(value, dict):
        raise Fault(f"`.extend` adds fields to records, and this is {describe(value)}")
    if "extend" in value:
        return evaluated(value["extend"])
    origin = value.origin if isinstance(value, (Record, OnDemand)) else None
    layers = origin if isinstance(origin, Layers) else Layers(value, ())
    return lambda layer: layers(evaluated(layer))


def remade(old: dict[str, Value], changes: dict[str, Value]) -> Value:
    """A record made anew with changed fields."""
    if isinstance(old, OnDemand):
        if old.origin is not None:
            return old.origin(changes)
        return OnDemand(old.what, lambda name: evaluated(changes[name]) if name in changes else old[name])
    origin = old.origin if isinstance(old, Record) else None
    if origin is None:
        return {**fields(old), **changes}
    if isinstance(origin, tuple):
        function, given = origin
        again = remade(given, changes)
        return opened(function(again), function, again)
    return origin(changes)


class Layers:
    """The origin of an extended set: what it began as, and what was laid over it, the first one first."""

    __slots__ = ("base", "layers")

    def __init__(self, base: dict[str, Value], layers: tuple[Value, ...]) -> None:
        self.base = base
        self.layers = layers

    def __call__(self, layer: Value) -> Value:
        """The set with one more layer. All layers are laid anew, so that earlier ones see what later ones change."""
        added = Layers(self.base, (*self.layers, layer))
        finished: Thunk = Thunk(lambda: added.laid(finished))
        return evaluated(finished)

    def laid(self, finished: Value) -> Value:
        """The finished set, as which the layers know it too."""
        base = self.base
        before: Value = base
        changes: dict[str, Value] = {}
        for layer in self.layers:
            changes = {**changes, **_fields_of(layer, before, finished)}
            before = Thunk(lambda changes=changes: remade(base, changes))
        made = evaluated(before)
        if made.__class__ is OnDemand:
            return OnDemand(made.what, made.make, self)
        return made_by(made, self)


def _fields_of(layer: Value, before: Value, finished: Value) -> dict[str, Value]:
    if layer.__class__ is FunctionType:
        if layer.__code__.co_argcount == 1:
            layer = layer(before)
        else:
            check_arity(layer, 2, ".extend")
            layer = layer(before, finished)
    if not isinstance(layer, dict):
        hint = "write .extend((old, new) => { NAME = VALUE }), or .extend { NAME = VALUE }"
        raise Fault(f"`.extend` takes a record of fields, and this is {describe(layer)}", hint=hint)
    return fields(layer)


RUNTIME: dict[str, Any] = {
    ".record": record,
    ".opened": opened,
    ".eager": eager,
    ".apart": apart,
    ".make": make,
    ".later": later,
    ".with": with_,
    ".extend": extend,
}
