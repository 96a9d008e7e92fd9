"""Check the arguments and the results of `.with` and `.extend`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.store.errors import FpackError

from ..argument_checks import check_arity
from ..operators import fields
from ..values import OldRecord, OnDemand, Pending, Value, describe, evaluated
from .origins import Fields, Layer, Layers, Spread, origin_of


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


# ---- names of `.with`


def check_names(base: Fields, layers: tuple[Layer, ...], change: Value) -> Callable[[Fields], None] | None:
    """Raise Fault for a field of a `.with` that a record certainly lacks, if no layer adds it.

    Of a function, return the check of the fields that it returns.
    """

    def check(found: Iterable[str]) -> None:
        for name in found:
            if _is_unknown(base, layers, name):
                near = did_you_mean(name, base) if base.__class__ is not Pending else ""
                hint = f"{near}; `.extend` adds a field" if near else f"write .extend {{ {name} = ... }} to add a field"
                why = "`.with` changes fields that the record has"
                raise Fault(f"There is no field {quote(name)} to change", why=why, hint=hint, field=name)

    if change.__class__ is FunctionType:
        return check
    if change.__class__ is dict or change.__class__ is not Pending:
        check(change)
    return None


def check_nested(base: Fields, layers: tuple[Layer, ...], names: Iterable[str]) -> None:
    """Raise Fault for a field that a change writes as `NAME.FIELD = VALUE`, if there is certainly no field NAME."""
    for name in names:
        if _is_unknown(base, layers, name):
            raise no_field_to_change(name, base if base.__class__ is not Pending else ())


def no_field_to_change(name: str, known: Iterable[str]) -> Fault:
    """Return the error for a change of a field of a field that does not exist."""
    return Fault(
        f"There is no field {quote(name)} to change",
        why=f"`{name}.NAME = VALUE` in a change changes a field of a record",
        hint=did_you_mean(name, known) or f"write .extend {{ {name} = {{ ... }} }} for a new field",
        field=name,
    )


def _is_unknown(base: Fields, layers: tuple[Layer, ...], name: str) -> bool:
    return lacks(base, name) and all(not layer.adds or lacks(layer.change, name) for layer in layers)


def lacks(value: Value, name: str) -> bool:
    """Return whether a record certainly has no field of a name, without computing its fields."""
    if value.__class__ is Pending:
        origin = origin_of(value)
        if origin.__class__ is Layers:
            changes = [layer.change for layer in origin.layers if layer.adds]
            return all(lacks(part, name) for part in (origin.base, *changes))
        return origin.__class__ is Spread and all(lacks(part, name) for part in origin.parts)
    if value.__class__ is OnDemand or value.__class__ is OldRecord or not isinstance(value, dict):
        return False
    return name not in value
