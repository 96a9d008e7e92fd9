"""Change fields of fields: `a.b = VALUE` in a change, or after a spread.

A call `r.with { a.b = VALUE }` is compiled to a function of `old`. A record that is laid over another one in any other
way, such as the result of a function, remembers which of its fields were written so (`Record.nested`).
"""

from __future__ import annotations

from functools import partial
from types import FunctionType

from fpack.lang.errors import Fault, quote

from ..operators import fields, pick
from ..values import MISSING, OldRecord, OnDemand, Record, Thunk, Value, describe, evaluated
from .layer_checks import check_layer, no_field_to_change
from .layers import changed
from .origins import CalledPart, Fields, FunctionPart, Layer, Part, is_call, origin_of
from .package_changes import unused_field


def change_field(old: Value, name: str, change: Value) -> Value:
    """Return the field `a` that `a.b = VALUE` in a `.with` makes of the field below: changed, or new if it is null."""
    return _change_field(old, name, change, False)


def extend_field(old: Value, name: str, change: Value) -> Value:
    """Return a field as `change_field` does, for `.extend`."""
    return _change_field(old, name, change, True)


def spread_field(old: Value, name: str, change: Value) -> Value:
    """Return a field as `change_field` does, for a record with spreads: it is new if these do not have it."""
    return _change_field(old, name, change, True, new=True)


def known_field(old: Value, name: str, record: Value) -> Value:
    """Return the record of a change; raise Fault if a field whose fields it changes does not exist below."""
    check_known(old, name)
    return evaluated(record)


def check_known(old: Value, name: str) -> None:
    """Raise Fault if what is below a change certainly has no field of a name."""
    if old.__class__ is OldRecord and not old.fill.may_have(name):  # type: ignore[attr-defined]
        raise _unknown(old, name)


def _unknown(old: Value, name: str) -> Fault:
    """Return the error for a field that does not exist below a change."""
    names = old.fill.names() if old.__class__ is OldRecord else {}  # type: ignore[attr-defined]
    if "payload" in names and evaluated(names.get("type")) == "package":
        return unused_field(str(evaluated(names["name"])), name)
    return no_field_to_change(name, names)


def _change_field(old: Value, name: str, change: Value, adds: bool, new: bool = False) -> Value:
    """Return the new value of a field of `old` whose fields change.

    adds: a call's result may get the field (`.extend`). new: the field may be new (after a spread).
    """
    below = evaluated(old.get(name, MISSING)) if old.__class__ is not OnDemand else pick(old, (name,), not new)
    change = evaluated(change)
    if below is MISSING and old.__class__ is OldRecord and old.fill.is_hidden(name):  # type: ignore[attr-defined]
        what = f"{quote(name)} is a default that the result does not show, so its fields cannot be changed"
        raise Fault(
            what, hint=f"write {name} = {{ ... }} with all fields, or give the function's result a field {name}"
        )
    if below is MISSING and not new and old.__class__ is OldRecord and not old.fill.takes(name):  # type: ignore[attr-defined]
        raise _unknown(old, name)
    if below is None or below is MISSING:
        return evaluated(change({})) if change.__class__ is FunctionType else change
    if not isinstance(below, dict):
        why = f"`{name}.NAME = VALUE` changes a field of a record"
        raise Fault(f"{quote(name)} is {describe(below)}", why=why)
    # The names of a record such as `env` are the user's; the functions of a call know the fields that they take.
    if is_call(origin_of(below)):
        adds = adds and isinstance(change, dict) and _are_shown(below, change)
    else:
        adds = True
    return evaluated(changed(below, check_layer(change, adds)))


def _are_shown(below: Fields, change: Fields) -> bool:
    """Return whether the result of a call shows all fields of a change that no function takes, and there are some."""
    from .call_layers import knows

    others = [name for name in change if not knows(below, name)]
    return bool(others) and all(name in below for name in others)


# ---- records that are laid over others


def remember_nested(value: Value, names: tuple[str, ...]) -> Value:
    """Return the record of a literal with nested fields, which remembers their names."""
    if value.__class__ is dict:
        value = Record(value)
        value.origin = None
    if isinstance(value, Record):
        value.nested = names
    return value


def change_nested(made: Fields, names: tuple[str, ...], old: Value, adds: bool) -> Fields:
    """Return the definitions of a record, with those of nested fields as changes of the fields of `old`."""
    for name in names:
        if name in made:
            check_known(old, name)
    changes = {n: Thunk(partial(_change_field, old, n, made[n], adds)) for n in names if n in made}
    return {**made, **changes}


def nested_part(part: Part, names: tuple[str, ...], adds: bool, low: int) -> Part:
    """Return a part of a layer as a function of `old`, if it has nested fields. low: see `add_layers`."""
    if part.__class__ is CalledPart:
        part = fields(part.value)
    elif part.__class__ is not dict or not any(name in part for name in names):
        return part

    def change(old: Value) -> Value:
        return change_nested(part, names, old, adds)

    return FunctionPart(Layer(change, adds), low)
