"""Implement `.with` and `.extend`, and calls with a record, whose results these methods change.

layers.py and call_layers.py compute the changed records, literals.py makes those that can be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType

from fpack.lang.abi import CHANGE_FIELD, EXTEND_FIELD, FUNCTIONS, KNOWN_FIELD, NESTED, SPREAD_FIELD, FunctionInfo
from fpack.lang.errors import Fault
from fpack.light_typing import Any

from ..values import MISSING, Record, Thunk, Value, describe, evaluated
from .call_layers import METHOD, remember_call
from .layer_checks import check_layer
from .layers import changed
from .literals import asserting, claimed, failed, join_parts, literal, may_have, spread
from .nested_fields import change_field, extend_field, known_field, remember_nested, spread_field


def eager(function: Value, wanted: str) -> bool:
    """Return whether a function certainly evaluates the `wanted` parts of its record argument.

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
    """Return whether a function evaluates the fields that a caller wants. The encodings are those of FunctionInfo."""
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
    """Return whether none of the records has a field with one of these names."""
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


def peek(base: Value, name: str) -> Value:
    """Return a field of a record that is evaluated, as it is there; MISSING if the record or the field is not."""
    if base.__class__ is Thunk:
        contents = base.cell_contents
        if contents.__class__ is not tuple:
            return MISSING
        base = contents[0]
    if base.__class__ is dict or base.__class__ is Record:
        return base.get(name, MISSING)
    return MISSING


def with_(value: Value) -> Value:
    """Return the method `.with` of a record: a function from changes to the changed record."""
    return _method(value, "with", False)


def extend(value: Value) -> Value:
    """Return the method `.extend` of a record: a function that changes and adds fields.

    An extension is a record, or a function that returns one. The function takes the set below the extension and,
    optionally, the finished set.
    """
    return _method(value, "extend", True)


def _method(value: Value, name: str, adds: bool) -> Value:
    """Return what `value.with` or `value.extend` is: the record's own field of this name, else the method."""
    if not isinstance(value, dict):
        does = "adds fields to" if adds else "changes"
        raise Fault(f"`.{name}` {does} records, and this is {describe(value)}")
    if may_have(value, name) and name in value:
        return evaluated(value[name])
    return _changer(value, adds)


def _changer(value: dict[str, Value], adds: bool) -> FunctionType:
    def change(layer: Value) -> Value:
        return changed(value, check_layer(layer, adds))

    return change  # type: ignore[return-value]


METHOD[0] = _changer({}, False).__code__


RUNTIME: dict[str, Any] = {
    ".record": literal,
    ".asserting": asserting,
    ".spread": spread,
    ".parts": join_parts,
    CHANGE_FIELD: change_field,
    EXTEND_FIELD: extend_field,
    SPREAD_FIELD: spread_field,
    KNOWN_FIELD: known_field,
    NESTED: remember_nested,
    ".failed": failed,
    ".claimed": claimed,
    ".opened": remember_call,
    ".eager": eager,
    ".apart": disjoint,
    ".make": make,
    ".later": later,
    ".peek": peek,
    ".with": with_,
    ".extend": extend,
}
