"""Choose what is remembered of a derivation: fields that were evaluated to plain data."""

from __future__ import annotations

from collections.abc import Iterable

from fpack.lang.runtime.values import MISSING, Record, Thunk, Value
from fpack.store.path import STORE

_MAX_TEXT = 200


def contents(value: Value) -> Value:
    """Return an evaluated value; None for a thunk that is not evaluated."""
    if value.__class__ is not Thunk:
        return value
    inside = value.cell_contents
    return inside[0] if inside.__class__ is tuple else None


def plain_fields(record: Record, names: Iterable[str]) -> dict[str, Value]:
    """Return the fields that were evaluated to small plain data, without paths in the store."""
    found = {}
    for name in names:
        value = dict.get(record, name, MISSING)
        if value is not MISSING and _is_plain(value):
            found[name] = _copied(value)
    return found


def _is_plain(value: Value) -> bool:
    """Return whether an evaluated value is short text, an empty list, or a record of texts, without store paths."""
    value = contents(value) if value.__class__ is Thunk else value
    if value.__class__ is str:
        return len(value) <= _MAX_TEXT and STORE not in value
    if value.__class__ is list:
        return not value
    return value.__class__ is dict and all(
        contents(item).__class__ is str and _is_plain(item) for item in value.values()
    )


def _copied(value: Value) -> Value:
    value = contents(value)
    return {name: contents(item) for name, item in value.items()} if value.__class__ is dict else value
