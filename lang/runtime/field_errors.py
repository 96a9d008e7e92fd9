"""Build the errors for selecting a field that a value does not have."""

from __future__ import annotations

from contextlib import suppress
from types import FunctionType
from typing import Any

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.store.errors import FpackError

from .records.retargeting import FOR
from .values import OnDemand, describe, evaluated

SHOWN_FIELDS = 12


def no_field(record: Any, name: str) -> Fault:
    what = f"There is no field {quote(name)}"
    if not isinstance(record, dict):
        return Fault(what)
    hint = did_you_mean(name, record)
    if not hint and record:
        names = sorted(record)
        hint = "the record has " + ", ".join(names[:SHOWN_FIELDS]) + (", ..." if len(names) > SHOWN_FIELDS else "")
    if name == FOR and (release := _last_set(record)):
        hint = f'select a release first, as in .{release}.for("arm64")'
    return Fault(what, why="" if record else "the record is empty", hint=hint)


def _last_set(record: dict[str, Any]) -> str:
    """Return the name of the last field that is an on-demand set, or ""."""
    found = ""
    for name, value in sorted(record.items()):
        with suppress(FpackError, KeyError):
            found = name if evaluated(value).__class__ is OnDemand else found
    return found


def not_a_record(value: Any, name: str) -> Fault:
    """Return the error for selecting a field of a value that is not a record."""
    hint = "call it first" if value.__class__ is FunctionType else ""
    hint = "write get(LIST, INDEX) for an element" if value.__class__ is list else hint
    return Fault(f"{describe(value).capitalize()} has no field {quote(name)}", hint=hint)
