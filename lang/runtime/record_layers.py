"""Lay changes over records: compute the fields of a record that `.with`, `.extend` or a spread has changed.

The origin of a record says how to compute its fields again:

- None, or a class without origin: plain data, whose fields do not depend on each other;
- (builder, names): a record literal whose fields mention each other. `builder` returns the literal's own definitions;
  its parameters `names` are what the fields see instead of them;
- (function, argument, inner): the result of `function { ... }`, see call_layers.py;
- `FileOrigin` of module_loader.py: the record of a file;
- `Spread`: a record of several parts, `{ ...a, ...b, k = v }`;
- `Layers`: a record and the changes laid over it.

All but calls are flattened to a list of parts, from the lowest to the highest. The value of the whole is a fixed point:
each part's definitions see the fields of the whole (`target`), and of two definitions of a field the higher one counts.
What a layer sees as `old` are the definitions of the parts below it (`Below`), which see the whole as well.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from types import FunctionType, TracebackType
from typing import Any, NamedTuple

from fpack.lang.errors import Fault, quote
from fpack.store.errors import FpackError

from .argument_checks import check_arity
from .operators import fail, fields, pick
from .values import (
    MISSING,
    Below,
    OnDemand,
    Pending,
    Record,
    Tentative,
    Thunk,
    Value,
    describe,
    evaluated,
    pending,
)  # fmt: skip

Fields = dict[str, Value]


class Layer(NamedTuple):
    """A change. adds: a field that a function of the record does not have becomes a field of the record."""

    change: Value
    adds: bool


class Layers:
    """The origin of a changed record: a record that was not changed, and the changes in their order."""

    __slots__ = ("base", "layers")

    def __init__(self, base: Fields, layers: tuple[Layer, ...]) -> None:
        self.base = base
        self.layers = layers


class Spread:
    """The origin of a record with parts that can be changed, from the lowest to the highest."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Fields, ...]) -> None:
        self.parts = parts


class _Function(NamedTuple):
    """A part that is a function of `old` and, perhaps, the whole. lowest: the index of the lowest part in `old`."""

    layer: Layer
    lowest: int


class _Called(NamedTuple):
    """A part that is the result of a call, with its layers, or the layers themselves are part of `value`."""

    value: Fields


Part = Any  # Fields, _Function, _Called or OnDemand


def origin_of(value: Value) -> Any:
    """Return the origin of a record; None for plain data."""
    return getattr(value, "origin", None)


def is_call(origin: Any) -> bool:
    """Return True for the origin of a call's result, changed or not."""
    if origin.__class__ is Layers:
        origin = origin_of(origin.base)
    return origin.__class__ is tuple and len(origin) == 3


# ---- changes


def changed(value: Fields, layer: Layer) -> Value:
    """Return a record with one more layer."""
    origin = origin_of(value)
    if origin.__class__ is Layers:
        base, layers = origin.base, origin.layers
    else:
        base, layers = value, ()
    top = layers[-1] if layers else None
    if top is not None and top.adds == layer.adds and top.change.__class__ is dict and layer.change.__class__ is dict:
        layers = (*layers[:-1], Layer({**top.change, **layer.change}, layer.adds))
    else:
        layers = (*layers, layer)
    return with_layers(base, layers)


def with_layers(base: Fields, layers: tuple[Layer, ...]) -> Value:
    """Return a record with layers. base: a record without `Layers`."""
    origin = origin_of(base)
    if base.__class__ is OnDemand:
        return _on_demand(base, layers)
    if is_call(origin):
        from .call_layers import change_call

        return change_call(base, layers)
    if origin is None and len(layers) == 1 and layers[0].change.__class__ is dict:
        return {**fields(base), **layers[0].change}
    if origin.__class__ is Spread:
        refuse_unknown(origin, layers)
    record = pending(lambda: _laid(record, base, layers), Layers(base, layers))
    return record


def _laid(record: Record, base: Fields, layers: tuple[Layer, ...]) -> Fields:
    parts: list[Part] = []
    known = _known(layers)
    flatten(base, record, parts, known)
    add_layers(layers, record, parts, known)
    return merged(record, parts)


def _known(layers: tuple[Layer, ...]) -> Fields | None:
    """Return the definitions of layers that are plain data; None if another layer must be computed first."""
    found: Fields = {}
    for layer in layers:
        if layer.change.__class__ is not dict:
            return None
        found.update(layer.change)
    return found


def add_layers(
    layers: tuple[Layer, ...], target: Fields, parts: list[Part], known: Fields | None, low: int = 0
) -> None:
    """Add the parts of layers. low: the index of the lowest part that they change."""
    for layer in layers:
        if layer.change.__class__ is FunctionType:
            parts.append(_Function(layer, low))
        else:
            flatten(layer.change, target, parts, known)


def _on_demand(base: OnDemand, layers: tuple[Layer, ...]) -> OnDemand:
    """Return an on-demand record with layers; the layers are laid when a field is selected."""
    target = OnDemand(base.what, lambda name: evaluated(laid().find(name)), Layers(base, layers))
    found: list[Laying] = []

    def laid() -> Laying:
        if not found:
            parts: list[Part] = [base]
            add_layers(layers, target, parts, None)
            found.append(Laying(target, parts))
        return found[0]

    return target


# ---- parts


def flatten(value: Fields, target: Fields, parts: list[Part], known: Fields | None = None) -> None:
    """Add the parts of a record.

    target: the record that all definitions see. known: the final definitions of all changed fields if these are known,
    so that other fields need no thunk into the target.
    """
    if value.__class__ is dict:
        parts.append(value)
        return
    origin = None if value.__class__ is OnDemand else origin_of(value)
    if origin is None:
        parts.append(fields(value))
    elif is_call(origin):
        parts.append(_Called(value))
    elif origin.__class__ is Layers:
        low = len(parts)
        if known is not None and _known(origin.layers) is None:
            known = None
        flatten(origin.base, target, parts, None if known is None else {**(_known(origin.layers) or {}), **known})
        add_layers(origin.layers, target, parts, known, low)
    elif origin.__class__ is Spread:
        _add_made(origin.parts, target, parts)
    else:
        made = _defined(origin, target, known)
        if made.__class__ is tuple and known is not None:  # a record that it spreads may define what fields mention
            made = _defined(origin, target, None)
        _add_made(made, target, parts)


def _defined(origin: Any, target: Fields, known: Fields | None) -> Any:
    """Return the definitions of a literal or file, which see the fields of the target."""
    if origin.__class__ is tuple:
        builder, names = origin
        return builder(**_seen(names, target, known))
    if known is not None:
        return origin.define(lambda name, own: known.get(name, own))
    return origin.define(lambda name, own: Thunk(partial(_field_of, target, name)))


def _add_made(made: Any, target: Fields, parts: list[Part]) -> None:
    """Add what a literal's builder returned: its definitions, or a tuple of them and of the records that it spreads."""
    if made.__class__ is tuple:
        low = len(parts)
        for part in made:
            if part.__class__ is FunctionType:
                parts.append(_Function(Layer(part, True), low))
            else:
                flatten(part, target, parts)
    else:
        parts.append(made)


def _seen(names: tuple[str, ...], target: Fields, known: Fields | None) -> Fields:
    """Return what fields see by the names of their siblings: the fields of the target."""
    if known is not None:
        return {name: known[name] for name in names if name in known}
    return {name: Thunk(partial(_field_of, target, name)) for name in names}


def _field_of(target: Fields, name: str) -> Value:
    value = target[name]
    return evaluated(value)


# ---- one pass


def merged(target: Fields, parts: list[Part]) -> Fields:
    """Return the fields of a record of these parts."""
    if all(part.__class__ is dict for part in parts):
        found: Fields = {}
        for part in parts:
            found.update(part)
        return found
    return Laying(target, parts).fields()


class Laying:
    """The computation of the fields of a record from its parts.

    target: the record. final: what functions of `.extend` get as the finished record. absent: returns the value of a
    field of `old` that no part below defines, or MISSING.
    """

    def __init__(
        self, target: Fields, parts: list[Part], final: Value = None, absent: Callable[[str], Value] | None = None
    ) -> None:
        self.target = target
        self.parts = parts
        self.final = target if final is None else final
        self.absent = absent
        self._made: list[Fields | None] = [part if part.__class__ is dict else None for part in parts]
        self._index: dict[
            str, list[tuple[int, Value]]
        ] = {}  # the definitions of each name, of the first `_indexed` parts
        self._indexed = 0
        self._busy: set[int] = set()
        self._taken: dict[int, frozenset[str]] = {}  # the fields that a call took of the parts above it
        self._has_calls = any(part.__class__ is _Called for part in parts)

    def fields(self) -> Fields:
        """Return all fields."""
        made = [self.part(i) for i in range(len(self.parts))]
        found: Fields = {}
        for i, part in enumerate(made):
            for j, taken in self._taken.items():
                if j < i and self.parts[i].__class__ is not _Called and not taken.isdisjoint(part):
                    part = {n: v for n, v in part.items() if n not in taken or self._is_elsewhere(n, i)}
            found.update(part)
        return found

    def _is_elsewhere(self, name: str, end: int) -> bool:
        """Return True if a part below that is no call has the field, whose siblings then see the highest definition."""
        return any(name in self.part(j) for j in range(end) if self.parts[j].__class__ is not _Called)

    def part(self, i: int) -> Fields:
        """Return the definitions of one part."""
        made = self._made[i]
        if made is not None:
            return made
        if i in self._busy:
            len(self.target)  # raises the error of a record that depends on itself
        self._busy.add(i)
        try:
            part = self.parts[i]
            found = self._called(i, part.value) if part.__class__ is _Called else self._applied(part, i)
        finally:
            self._busy.discard(i)
        self._made[i] = found
        return found

    def _called(self, i: int, value: Fields) -> Fields:
        """Return the fields of a call's result. The function takes the fields of the parts above that it has."""
        from .call_layers import knows

        above: Fields = {}
        for j in range(i + 1, len(self.parts)):
            above.update(self.part(j))
        taken = {name: v for name, v in above.items() if knows(value, name)}
        if not taken:
            return fields(value)
        self._taken[i] = frozenset(taken)
        return fields(changed(value, Layer(taken, False)))

    def _applied(self, part: _Function, i: int) -> Fields:
        """Return the fields that a function of `old` returns."""
        function = part.layer.change
        old = self.below(part.lowest, i)
        given = (old,) if function.__code__.co_argcount == 1 else (old, self.final)
        found = function(*given[: 2 if part.layer.adds else 1])
        if not isinstance(found, dict):
            raise _at_result(function, _not_fields(found, part.layer.adds))
        if found.__class__ is dict:
            return found
        inner: list[Part] = []
        flatten(found, self.target, inner)
        return merged(self.target, inner)

    def below(self, low: int, end: int) -> Fields:
        """Return `old` for the part `end`: the definitions of the parts from `low`."""
        if low < len(self.parts) and self.parts[low].__class__ is OnDemand:
            base = self.parts[low]
            return OnDemand(base.what, lambda name: evaluated(self.find(name, end, low)))
        return pending(_Definitions(self, low, end), None, Below)  # type: ignore[arg-type]

    def find(self, name: str, end: int | None = None, low: int = 0) -> Value:
        """Return the highest definition of a name in the parts from `low` to `end`, or MISSING."""
        end = len(self.parts) if end is None else end
        if self._has_calls:
            for i in reversed(range(low, end)):
                part = self.part(i)
                if name in part:
                    return part[name]
            return MISSING
        base = self.parts[low] if low < end else None
        first = low + 1 if base.__class__ is OnDemand else low
        while self._indexed < end:
            if self.parts[self._indexed].__class__ is not OnDemand:
                for key, value in self.part(self._indexed).items():
                    self._index.setdefault(key, []).append((self._indexed, value))
            self._indexed += 1
        found = self._index.get(name)
        if found is not None:
            at = bisect_left(found, end, key=lambda pair: pair[0]) - 1
            if at >= 0 and found[at][0] >= first:
                return found[at][1]
        return base[name] if base is not None and base.__class__ is OnDemand else MISSING


class _Definitions:
    """The definitions in a range of parts, as the `fill` of `old`."""

    __slots__ = ("laying", "low", "end")

    def __init__(self, laying: Laying, low: int, end: int) -> None:
        self.laying = laying
        self.low = low
        self.end = end

    def find(self, name: str) -> Value:
        """Return the definition of a name, or MISSING."""
        found = self.laying.find(name, self.end, self.low)
        if found is MISSING and self.laying.absent is not None:
            return self.laying.absent(name)
        return found

    def __call__(self) -> Fields:
        """Return all definitions."""
        found: Fields = {}
        for i in range(self.low, self.end):
            found.update(self.laying.part(i))
        return found


def _not_fields(value: Value, adds: bool) -> Fault:
    if adds:
        hint = "write .extend((old, new) => { NAME = VALUE }), or .extend { NAME = VALUE }"
        return Fault(f"`.extend` takes a record of fields, and this is {describe(value)}", hint=hint)
    hint = "write .with { FIELD = VALUE } or .with(old => { FIELD = old.FIELD + ... })"
    return Fault(f"`.with` takes a record of changes, and this is {describe(value)}", hint=hint)


def _at_result(function: FunctionType, fault: Fault) -> FpackError:
    """Return a fault as an error at the expression that a function returned: no frame of a source text is left."""
    from fpack.lang.errors import EvalError
    from fpack.lang.spans import Span

    source = function.__globals__.get(".source")
    line, end_line, column, end_column = list(function.__code__.co_positions())[-1]
    if source is None or None in (line, end_line, column, end_column):
        return fault
    text = source.text.split("\n")[line - 1]  # type: ignore[operator]
    span = Span(source.name, line, column + 1, end_line, end_column + 1, text)  # type: ignore
    return EvalError(fault.what, span=span, hint=fault.hint)


def change_field(old: Value, name: str, change: Value) -> Value:
    """Return the field `a` that `a.b = VALUE` in a `.with` makes of the field below: changed, or new if it is null."""
    return _change_field(old, name, change, False)


def extend_field(old: Value, name: str, change: Value) -> Value:
    """Return a field as `change_field` does, for `.extend` and for records with spreads."""
    return _change_field(old, name, change, True)


def _change_field(old: Value, name: str, change: Value, adds: bool) -> Value:
    below = evaluated(old.get(name)) if old.__class__ is not OnDemand else pick(old, (name,))
    change = evaluated(change)
    if below is None or below is MISSING:
        return evaluated(change({})) if change.__class__ is FunctionType else change
    if not isinstance(below, dict):
        why = f"`{name}.NAME = VALUE` changes a field of a record"
        raise Fault(f"{quote(name)} is {describe(below)}", why=why)
    return evaluated(changed(below, Layer(change, adds)))


def check_layer(change: Value, adds: bool) -> Layer:
    """Return the layer for an argument of `.with` (or `.extend`, which `adds`); raise Fault if it cannot be one."""
    change = evaluated(change)
    if change.__class__ is FunctionType:
        if not adds or change.__code__.co_argcount != 1:
            check_arity(change, 2 if adds else 1, ".extend" if adds else ".with")
    elif not isinstance(change, dict):
        raise _not_fields(change, adds)
    elif change.__class__ is OnDemand:
        fields(change)
    return Layer(change, adds)


# ---- spreads


def spread(parts: Any) -> Value:
    """Return the record of a literal with spreads, whose parts are not all dicts."""
    if parts.__class__ is dict:
        return parts
    if any(origin_of(part) is not None or part.__class__ is FunctionType for part in parts):
        record = pending(lambda: _joined(record, parts), Spread(parts))
        return record
    found = Tentative() if any(part.__class__ is Tentative for part in parts) else {}
    for part in parts:
        found.update(part)
    return found


def _joined(record: Record, made: tuple[Fields, ...]) -> Fields:
    parts: list[Part] = []
    _add_made(made, record, parts)
    return merged(record, parts)


def join_parts(values: tuple[Any, ...]) -> Any:
    """Return the parts of a large record: a dict if all are plain, else a tuple, as builders return."""
    parts = [part for value in values for part in (value if value.__class__ is tuple else (value,))]
    if all(part.__class__ is dict for part in parts):
        return merged({}, parts)
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
        parts = [part for part in origin.parts if isinstance(part, dict)]
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
    return _unlaid(builder, names)


def _unlaid(builder: Callable[..., Any], names: tuple[str, ...]) -> Record:
    def fill() -> Fields:
        parts: list[Part] = []
        flatten(record, record, parts)
        return merged(record, parts)

    record = pending(fill, (builder, names))
    return record


def asserting(builder: Callable[..., Any], names: tuple[str, ...]) -> Record:
    """Return the record of a literal with assertions, which are checked when the record is first used."""

    def fill() -> Fields:
        made = builder()
        if made.__class__ is dict:
            return made  # type: ignore[no-any-return]
        parts: list[Part] = []
        _add_made(builder(**_seen(names, record, None)), record, parts)
        return merged(record, parts)

    record = pending(fill, (builder, names))
    return record


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


def refuse_unknown(origin: Spread, layers: tuple[Layer, ...]) -> None:
    """Raise Fault for a field of `.with` that no part of a spread has, if a part is the result of a call."""
    from .call_layers import refuse_unknown_in

    if any(is_call(origin_of(part)) for part in origin.parts):
        refuse_unknown_in(origin.parts, layers)
