"""Convert between a derivation's arguments, which are canonical values, and the typed record of its kind.

The record is a NamedTuple with a field for each argument. A field's type is str, int, bool, bytes, None, `Value` (any
value), StorePath (a string in the arguments), another such record, `tuple` or `Mapping` of these, or a union with None.
A field with a default may be absent from the arguments. `write` leaves out an empty tuple that is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from fpack.store.canonical import Value
from fpack.store.errors import InvalidName
from fpack.store.path import StorePath, parse

from .protocol import BuildError

_NAMES = {
    str: "a string", int: "an integer", bool: "true or false", bytes: "bytes", NoneType: "null",
    StorePath: "a store path", tuple: "a list", Mapping: "a record",
}  # fmt: skip
T = TypeVar("T")


def read(record: type[T], args: Mapping[str, Value]) -> T:
    """Return the arguments as a `record`. Raise BuildError if one is missing or has a wrong type. Ignore extra ones."""
    hints, defaults = _fields(cast(Any, record))
    found: dict[str, Any] = {}
    for name, hint in hints.items():
        if name in args:
            try:
                found[name] = _convert(args[name], hint)
            except _Mismatch as error:
                raise BuildError(f"The argument {name!r} of a derivation is invalid", why=str(error)) from None
        elif name not in defaults:
            raise BuildError(f"The argument {name!r} of a derivation is missing")
    return record(**found)


def write(args: Any) -> dict[str, Value]:
    """Return a record as the arguments of a derivation."""
    hints, defaults = _fields(args.__class__)
    values = zip(hints, args, strict=True)
    return {name: _plain(value) for name, value in values if value != () or name not in defaults}


class _Mismatch(Exception):
    """A value that does not have the type of its argument."""


@lru_cache(100)
def _fields(record: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types and the defaults of a record's fields, by name."""
    return get_type_hints(record), record._field_defaults


@lru_cache(100)
def _shape(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(hint), get_args(hint)


def _convert(value: Value, hint: Any) -> Any:
    """Return `value` as the type `hint`. Raise _Mismatch if it has another type."""
    if hint is Value or hint is Any or value.__class__ is hint:
        return value
    origin, inner = _shape(hint)
    if origin is UnionType:
        return None if value is None else _convert(value, inner[0])
    if origin is tuple and isinstance(value, (list, tuple)):
        if inner[-1] is ...:
            return tuple([_convert(item, inner[0]) for item in value])
        if len(value) == len(inner):
            return tuple([_convert(item, type_) for item, type_ in zip(value, inner, strict=True)])
    elif origin is Mapping and isinstance(value, Mapping):
        return (
            value
            if inner[1] is Value or inner[1] is Any
            else {name: _convert(item, inner[1]) for name, item in value.items()}
        )
    elif hint is StorePath and isinstance(value, str):
        try:
            return parse(value)
        except InvalidName as error:
            raise _Mismatch(error.what) from None
    elif hasattr(hint, "_fields") and hint is not StorePath and isinstance(value, Mapping):
        try:
            return read(hint, value)
        except BuildError as error:
            raise _Mismatch(f"{error.what}: {error.why}" if error.why else error.what) from None
    raise _Mismatch(f"it is {described(value)}, and should be {_NAMES.get(origin or hint, 'a record')}")


def described(value: Value) -> str:
    """Return an argument for a message: a short value as the language writes it, or the type of another one."""
    if isinstance(value, str):
        return f"{value!r:.100}"
    if value is None or isinstance(value, int):
        return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
    return "bytes" if isinstance(value, bytes) else "a record" if isinstance(value, Mapping) else "a list"


def _plain(value: Any) -> Value:
    if isinstance(value, StorePath):
        return str(value)
    if isinstance(value, tuple):
        return write(value) if hasattr(value, "_fields") else [_plain(item) for item in value]
    return value
