"""Implement `.with` and `.extend`, and the origins of records that these methods rebuild.

A record that depends on its own fields has an `origin`, a function from changes to the new record. The origin of a
recursive record evaluates the other fields with the changed fields, the origin of a call's result repeats the call,
and the origin of an extended set adds an extension.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

from fpack.lang.abi import FUNCTIONS, FunctionInfo
from fpack.lang.errors import Fault

from .argument_checks import check_arity
from .operators import fields
from .values import MISSING, OnDemand, Record, Thunk, Value, describe, evaluated, record_with_origin


def record(builder: Callable[..., dict[str, Value]], names: tuple[str, ...]) -> Record:
    """Build a record whose fields mention each other.

    builder: returns the fields; its parameters `names` replace the values of the fields of those names.
    """
    return record_with_origin(builder(), lambda changes: _rebuild(builder, names, changes))


def _rebuild(builder: Callable[..., dict[str, Value]], names: tuple[str, ...], changes: dict[str, Value]) -> Record:
    seen = {name: changes[name] for name in names if name in changes}
    made = {**builder(**seen), **changes}
    return record_with_origin(made, lambda more: _rebuild(builder, names, {**changes, **more}))


def remember_call(value: Value, function: Callable[[Value], Value], argument: dict[str, Value]) -> Value:
    """Return the result of `function { ... }`; if it is a record, its origin calls the function again.

    argument: the record that the function was called with, to which `.with` applies the changes.
    """
    if value.__class__ is Record:
        if value.origin.__class__ is Extensions:
            return value  # the origin of an extended set keeps all extensions
        try:
            fresh = function.__globals__[FUNCTIONS][id(function.__code__)].fresh
        except (AttributeError, KeyError):
            # The result of a function that `.with` returned has an origin. If each result remembered the record before
            # it instead, the last of n changes would take n calls.
            if function.__class__ is FunctionType and function.__code__ is _CHANGER:
                return value
            fresh = False
        if not fresh:
            value = Record(value)
    elif value.__class__ is dict:
        value = Record(value)
    else:
        return value
    value.origin = (function, argument)
    return value


def eager(function: Value, wanted: str) -> bool:
    """Return True if a function certainly evaluates the `wanted` parts of its record argument.

    compiler/record_calls.py describes the format of `wanted`.
    """
    try:
        info = function.__globals__[FUNCTIONS][id(function.__code__)]
    except (AttributeError, KeyError):
        return False  # a builtin, or a value that is not a function
    try:
        return info.answers[wanted]  # type: ignore[no-any-return]
    except KeyError:
        found = info.answers[wanted] = _covers(info, wanted)
        return found


def _covers(info: FunctionInfo, wanted: str) -> bool:
    if not info.evaluates and not info.fresh:
        return False
    parts = wanted.split()
    needs = {word for word in parts if "=" not in word}
    known = dict(word.split("=") for word in parts if "=" in word)
    words = info.evaluates.split()
    if needs <= set(words):
        return True
    if "..." in known or not needs <= {word.removesuffix("?") for word in words}:
        return False
    for record, _, overridable in (word.partition("!") for word in words if "!" in word):
        keys = known.get(record, "")
        if keys == "?" or not set(keys.split(",")).isdisjoint(overridable.split(",")):
            return False
    return True


def disjoint(names: frozenset[str], *records: dict[str, Value]) -> bool:
    """Return True if none of the records has a field with one of these names."""
    return all(map(names.isdisjoint, records))


def make(function: Value, wanted: str, parts: Callable[[int], Value]) -> Callable[[int], Value]:
    """Return the maker of a record's parts: values if the function evaluates all that is wanted, else thunks."""
    return parts if eager(function, wanted) else later(parts)


def later(parts: Callable[[int], Value]) -> Callable[[int], Value]:
    """Return a maker of thunks for the parts of a record.

    A part `base.name` is copied, without a thunk, if `base` is evaluated and has the field.
    """

    def make(part: int, base: Value = None, name: str = "") -> Value:
        if base.__class__ is Thunk:
            contents = base.cell_contents
            base = contents[0] if contents.__class__ is tuple else None
        if base.__class__ is dict or base.__class__ is Record:
            found = base.get(name, MISSING)
            if found is not MISSING:
                return found
        return Thunk(partial(parts, part))

    return make


def with_(value: Value) -> Value:
    """Return the method `.with` of a record: a function from changes to the changed record."""
    if not isinstance(value, dict):
        raise Fault(f"`.with` changes records, and this is {describe(value)}")
    if "with" in value:
        return evaluated(value["with"])
    return _changer(value)


def _changer(value: dict[str, Value]) -> FunctionType:
    def changed(changes: Value) -> Value:
        changes = evaluated(changes)
        if changes.__class__ is FunctionType:
            check_arity(changes, 1, ".with")
            changes = changes(value)
        if not isinstance(changes, dict):
            hint = "write .with { FIELD = VALUE } or .with(old => { FIELD = old.FIELD + ... })"
            raise Fault(f"`.with` takes a record of changes, and this is {describe(changes)}", hint=hint)
        return with_changes(value, fields(changes))

    return changed  # type: ignore[return-value]


_CHANGER = _changer({}).__code__


def extend(value: Value) -> Value:
    """Return the method `.extend` of a record: a function that adds fields.

    An extension is a record, or a function that returns one. The function takes the set before the extension and,
    optionally, the finished set.
    """
    if not isinstance(value, dict):
        raise Fault(f"`.extend` adds fields to records, and this is {describe(value)}")
    if "extend" in value:
        return evaluated(value["extend"])
    origin = value.origin if isinstance(value, (Record, OnDemand)) else None
    extensions = origin if isinstance(origin, Extensions) else Extensions(value, ())
    return lambda extension: extensions(evaluated(extension))


def with_changes(old: dict[str, Value], changes: dict[str, Value]) -> Value:
    """Return a record with changed fields, rebuilt by its origin if it has one."""
    if isinstance(old, OnDemand):
        if old.origin is not None:
            return old.origin(changes)
        return OnDemand(old.what, lambda name: evaluated(changes[name]) if name in changes else old[name])
    origin = old.origin if isinstance(old, Record) else None
    if origin is None:
        return {**fields(old), **changes}
    if isinstance(origin, tuple):
        function, argument = origin
        changed = with_changes(argument, changes)
        return remember_call(function(changed), function, changed)
    return origin(changes)


class Extensions:
    """The origin of an extended set: the base record and the extensions, in the order in which they were added."""

    __slots__ = ("base", "extensions")

    def __init__(self, base: dict[str, Value], extensions: tuple[Value, ...]) -> None:
        self.base = base
        self.extensions = extensions

    def __call__(self, extension: Value) -> Value:
        """Return the set with one more extension. All are applied again, so that earlier ones see its changes."""
        added = Extensions(self.base, (*self.extensions, extension))
        finished: Thunk = Thunk(lambda: added.apply(finished))
        return evaluated(finished)

    def apply(self, finished: Value) -> Value:
        """Apply all extensions and return the set. finished: a thunk of the same set, which the extensions may use."""
        base = self.base
        before: Value = base
        changes: dict[str, Value] = {}
        for extension in self.extensions:
            changes = {**changes, **_extension_fields(extension, before, finished)}
            before = Thunk(lambda changes=changes: with_changes(base, changes))
        made = evaluated(before)
        if made.__class__ is OnDemand:
            return OnDemand(made.what, made.make, self)
        return record_with_origin(made, self)


def _extension_fields(extension: Value, before: Value, finished: Value) -> dict[str, Value]:
    if extension.__class__ is FunctionType:
        if extension.__code__.co_argcount == 1:
            extension = extension(before)
        else:
            check_arity(extension, 2, ".extend")
            extension = extension(before, finished)
    if not isinstance(extension, dict):
        hint = "write .extend((old, new) => { NAME = VALUE }), or .extend { NAME = VALUE }"
        raise Fault(f"`.extend` takes a record of fields, and this is {describe(extension)}", hint=hint)
    return fields(extension)


RUNTIME: dict[str, Any] = {
    ".record": record,
    ".opened": remember_call,
    ".eager": eager,
    ".apart": disjoint,
    ".make": make,
    ".later": later,
    ".with": with_,
    ".extend": extend,
}
