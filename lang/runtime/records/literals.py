"""Make the records of literals with spreads, assertions and fields that mention each other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, TracebackType

from fpack.lang.errors import Fault
from fpack.light_typing import Any

from ..operators import fail
from ..values import OnDemand, Pending, Record, Tentative, Value, pending
from .layers import changed, filled, joined
from .origins import Assertions, Fields, Layer, Layers, Part, Spread, is_unchanged_call, origin_of  # fmt: skip
from .package_changes import check_spread
from .parts import add_made, flatten, seen

# ---- spreads


def spread(parts: Any) -> Value:
    """Return the record of a literal with spreads, whose parts are not all dicts."""
    if parts.__class__ is dict:
        return parts
    first = parts[0]
    if first.__class__ is not Record or dict.get(first, "type") == "package":
        check_spread(parts)
    if first.__class__ is OnDemand:
        if len(parts) == 1:
            return first
        top = pending(lambda: _joined(top, parts[1:]), Spread(parts[1:]))
        return changed(first, Layer(top, True))
    if len(parts) == 2 and parts[1].__class__ is dict and first.__class__ in (Record, Pending):
        origin = first.origin
        if origin.__class__ is Spread and len(origin.parts) == 2 and origin.parts[1].__class__ is dict:
            parts = (origin.parts[0], {**origin.parts[1], **parts[1]})  # the fields of a spread that is spread again
        if origin is not None:
            return _unlaid(parts)
    if any(origin_of(part) is not None or part.__class__ is FunctionType for part in parts):
        return _unlaid(parts)
    found = Tentative() if any(part.__class__ is Tentative for part in parts) else {}
    for part in parts:
        found.update(part)
    return found


def _unlaid(parts: tuple[Fields, ...]) -> Record:
    record = pending(lambda: _joined(record, parts), Spread(parts))
    return record


def _joined(record: Record, made: tuple[Fields, ...]) -> Any:
    """Return the fields of a literal from its evaluated parts."""
    if len(made) == 2 and made[1].__class__ is dict and is_unchanged_call(made[0]):
        from .call_layers import called_or_added

        return called_or_added(made[0], made[1])
    parts: list[Part] = []
    add_made(made, record, parts)
    return filled(record, parts)


def join_parts(values: tuple[Any, ...]) -> Any:
    """Return the parts of a large record: a dict if all are plain, else a tuple, as builders return."""
    parts = [part for value in values for part in (value if value.__class__ is tuple else (value,))]
    if all(part.__class__ is dict for part in parts):
        return joined(parts)
    return tuple(parts)


def may_have(value: Fields, name: str) -> bool:
    """Return False if a record that is not computed yet has no field of a name, as far as that is known."""
    if value.__class__ is not Pending:
        return True
    origin = origin_of(value)
    if origin.__class__ is Layers:
        changes = [layer.change for layer in origin.layers if isinstance(layer.change, dict)]
        return any(may_have(part, name) and name in part for part in (origin.base, *changes))
    if origin.__class__ is Spread:
        parts: list[Any] = [part for part in origin.parts if not callable(part)]
        return any(may_have(part, name) and name in part for part in parts)
    if origin.__class__ is tuple:
        consts = origin[0].__code__.co_consts
        return any(const == name or (const.__class__ is tuple and name in const) for const in consts)
    return False


def literal(builder: Callable[..., Any], names: tuple[str, ...]) -> Value:
    """Return the record of a literal whose fields mention each other."""
    made = builder()
    if made.__class__ is dict:
        record = Record(made)
        record.origin = (builder, names)
        return record
    check_spread(made)
    if made[0].__class__ is OnDemand:
        return _over_on_demand(made[0], builder, names)
    return _unlaid_literal(builder, names)


def _over_on_demand(base: OnDemand, builder: Callable[..., Any], names: tuple[str, ...]) -> Value:
    """Return the record of a literal that spreads an on-demand record first: the other parts as a layer over it."""

    def others(**given: Value) -> Any:
        return builder(**given)[1:]

    return changed(base, Layer(_unlaid_literal(others, names), True))


def _unlaid_literal(builder: Callable[..., Any], names: tuple[str, ...]) -> Record:
    """Return the record of a literal, whose parts are evaluated when the record is first used."""

    def fill() -> Any:
        parts: list[Part] = []
        flatten(record, record, parts)
        return filled(record, parts)

    record = pending(fill, (builder, names))
    return record


def asserting(builder: Callable[..., Any], names: tuple[str, ...]) -> Value:
    """Return the record of a literal with assertions, which are checked when the record is first used."""

    first = builder()
    if first[0].__class__ is OnDemand:
        return _over_on_demand(first[0], builder, names)

    def fill() -> Any:
        made, *more = first
        if made.__class__ is dict and len(more) == 1:
            return made, (more[0].check,)
        parts: list[Part] = []
        add_made(builder(**seen(names, record, None)), record, parts)
        return filled(record, parts)

    record = pending(fill, (builder, names))
    return record


def claimed(made: Any, check: Callable[[], object]) -> tuple[Any, ...]:
    """Return what the builder of a literal with assertions returns: its parts and the assertions."""
    return (*(made if made.__class__ is tuple else (made,)), Assertions(check))


def failed(message: Value) -> Record:
    """Return the value of a function of one record whose assertion failed: a record that raises the error when used."""
    frame = sys._getframe(1)
    trace = TracebackType(None, frame, frame.f_lasti, frame.f_lineno)

    def raise_error() -> Fields:
        try:
            fail(message)
        except Fault as error:
            raise error.with_traceback(trace) from None

    return pending(raise_error, None)
