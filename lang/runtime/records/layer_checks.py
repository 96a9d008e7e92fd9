"""Check the arguments and the results of `.with` and `.extend`."""

from __future__ import annotations

from types import FunctionType

from fpack.lang.errors import Fault
from fpack.store.errors import FpackError

from ..argument_checks import check_arity
from ..operators import fields
from ..values import OnDemand, Value, describe, evaluated
from .origins import Layer


def not_fields(value: Value, adds: bool) -> Fault:
    """Return the fault for a change that is no record."""
    if adds:
        hint = "write .extend((old, new) => { NAME = VALUE }), or .extend { NAME = VALUE }"
        return Fault(f"`.extend` takes a record of fields, and this is {describe(value)}", hint=hint)
    hint = "write .with { FIELD = VALUE } or .with(old => { FIELD = old.FIELD + ... })"
    return Fault(f"`.with` takes a record of changes, and this is {describe(value)}", hint=hint)


def at_result(function: FunctionType, fault: Fault) -> FpackError:
    """Return a fault as an error at the expression that a function returned: no frame of a source text is left."""
    from fpack.lang.errors import EvalError
    from fpack.lang.spans import Span

    source = function.__globals__.get(".source")
    line, end_line, column, end_column = list(function.__code__.co_positions())[-1]
    if source is None or None in (line, end_line, column, end_column):
        return fault
    text = source.text.split("\n")[line - 1]  # type: ignore[operator]
    span = Span(source.name, line, column + 1, end_line, end_column + 1, text)  # type: ignore
    return EvalError(fault.what, span=span, why=fault.why, hint=fault.hint)


def check_layer(change: Value, adds: bool) -> Layer:
    """Return the layer for an argument of `.with` (or `.extend`, which `adds`); raise Fault if it cannot be one."""
    change = evaluated(change)
    if change.__class__ is FunctionType:
        if not adds or change.__code__.co_argcount != 1:
            check_arity(change, 2 if adds else 1, ".extend" if adds else ".with")
    elif not isinstance(change, dict):
        raise not_fields(change, adds)
    elif change.__class__ is OnDemand:
        fields(change)
    return Layer(change, adds)
