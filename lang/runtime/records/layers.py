"""Lay changes over records: compute the fields of a record that `.with`, `.extend` or a spread has changed.

A record is flattened to a list of parts by its origin (origins.py), from the lowest to the highest; only calls stay
whole. The value of the whole is a fixed point: each part's definitions see the fields of the whole (`target`), and of
two definitions of a field the higher one counts. What a layer sees as `old` are the definitions of the parts below it
(`OldRecord`), which see the whole as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from fpack.lang.errors import Fault
from fpack.light_typing import Any

from ..operators import fields
from ..values import MISSING, CycleError, OldRecord, OnDemand, Record, Value, evaluated, pending
from .layer_checks import at_result, check_names, check_nested, not_fields
from .origins import (
    Assertions,
    CalledPart,
    Fields,
    FunctionPart,
    Layer,
    Layers,
    Part,
    Spread,
    is_call,
    is_unchanged_call,
    origin_of,
)  # fmt: skip
from .package_changes import check_layer as check_package
from .package_changes import is_debian_package
from .parts import add_layers, flatten, known_changes
from .replacing import REPLACE, is_package, replaced_in
from .retargeting import FOR, keeping


def changed(value: Fields, layer: Layer) -> Value:
    """Return a record with one more layer."""
    origin = origin_of(value)
    if origin.__class__ is Layers:
        base, layers = origin.base, origin.layers
    else:
        if layer.change.__class__ is dict and is_unchanged_call(value):
            from .call_layers import called_again

            made = called_again(value, layer.change)
            if made is not MISSING:
                return made
        base, layers = value, ()
    if not layer.adds:
        if is_debian_package(base):
            layer.check = check_package(base, layer.change)
        elif not is_call(origin_of(base)):
            layer.check = check_names(base, layers, layer.change)
    nested = getattr(layer.change, "nested", None)
    if nested and not is_call(origin_of(base)):
        check_nested(base, layers, nested)
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


def _laid(record: Record, base: Fields, layers: tuple[Layer, ...]) -> Any:
    parts: list[Part] = []
    known = known_changes(layers)
    flatten(base, record, parts, known)
    add_layers(layers, record, parts, known)
    return filled(record, parts)


def layered(value: Fields, layers: tuple[Layer, ...]) -> Value:
    """Return a record with more layers."""
    for layer in layers:
        value = changed(value, layer)
    return value


def _on_demand(base: OnDemand, layers: tuple[Layer, ...]) -> OnDemand:
    """Return an on-demand record with layers. They are laid, and their assertions checked, with the first field."""
    target = OnDemand(base.what, lambda name: selected(name), Layers(base, layers))
    found: list[LayerComputation] = []

    def selected(name: str) -> Value:
        laying = laid()
        value = laying.find(name)
        checks, laying.checks = laying.checks, []  # the assertions select fields too
        try:
            for check in checks:
                check()
        except BaseException:
            laying.checks = checks
            raise
        value = evaluated(value)
        if name == FOR:
            return keeping(value, base, lambda other: layered(other, layers))
        if name != REPLACE and is_package(value) and (replaced := replaced_in(laying.find(REPLACE))):
            return changed(value, Layer({REPLACE: {**fields(replaced), **fields(evaluated(value[REPLACE]))}}, False))
        return value

    def laid() -> LayerComputation:
        if not found:
            parts: list[Part] = [base]
            add_layers(layers, target, parts, None)
            found.append(LayerComputation(target, parts))
        return found[0]

    return target


def refuse_unknown(origin: Spread, layers: tuple[Layer, ...]) -> None:
    """Raise Fault for a field of `.with` that no part of a spread has, if a part is the result of a call."""
    from .call_layers import refuse_unknown_in

    if any(is_call(origin_of(part)) for part in origin.parts):
        refuse_unknown_in(origin.parts, layers)


def filled(target: Fields, parts: list[Part]) -> Any:
    """Return the fields of a record of these parts, and its assertions, as `Pending` expects them."""
    if all(part.__class__ is dict for part in parts):
        return joined(parts)
    laying = LayerComputation(target, parts)
    made = laying.fields()
    return (made, tuple(laying.checks)) if laying.checks else made


def joined(parts: Iterable[Fields]) -> Fields:
    """Return the fields of plain records; the last one has precedence."""
    found: Fields = {}
    for part in parts:
        found.update(part)
    return found


class LayerComputation:
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
        self.takes: Callable[[str], bool] | None = (
            None  # of a call: tells whether the user's functions have a parameter
        )
        self.accepts: Callable[[str], bool] | None = None  # of a call: tells whether a function takes a field
        self.parameters: Callable[[], Iterable[str]] = tuple  # of a call: returns the fields that its functions take
        self.checks = [part.check for part in parts if part.__class__ is Assertions]
        self._made: list[Fields | None] = [
            part if part.__class__ is dict else {} if part.__class__ is Assertions else None for part in parts
        ]
        self._index: dict[
            str, list[tuple[int, Value]]
        ] = {}  # the definitions of each name, of the first `_indexed` parts
        self._indexed = 0
        self._busy: set[int] = set()
        self._taken: dict[int, frozenset[str]] = {}  # the fields that a call took of the parts above it
        self._has_calls = any(part.__class__ is CalledPart for part in parts)

    def fields(self) -> Fields:
        made = [self.part(i) for i in range(len(self.parts))]
        found: Fields = {}
        for i, part in enumerate(made):
            for j, taken in self._taken.items():
                if j < i and self.parts[i].__class__ is not CalledPart and not taken.isdisjoint(part):
                    part = {n: v for n, v in part.items() if n not in taken or self._is_elsewhere(n, i)}
            found.update(part)
        return found

    def _is_elsewhere(self, name: str, end: int) -> bool:
        """Return whether a part below that is no call has the field, whose siblings then see the highest definition."""
        return any(name in self.part(j) for j in range(end) if self.parts[j].__class__ is not CalledPart)

    def part(self, i: int) -> Fields:
        """Return the definitions of one part."""
        made = self._made[i]
        if made is not None:
            return made
        if i in self._busy:
            raise CycleError("This record depends on itself")
        self._busy.add(i)
        try:
            part = self.parts[i]
            found = self._called(i, part.value) if part.__class__ is CalledPart else self._applied(part, i)
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

    def _applied(self, part: FunctionPart, i: int) -> Fields:
        """Return the fields that a function of `old` returns."""
        function = part.layer.change
        old = self.below(part.lowest, i)
        given = (old,) if function.__code__.co_argcount == 1 else (old, self.final)
        found = function(*given[: 2 if part.layer.adds else 1])
        if not isinstance(found, dict):
            raise at_result(function, not_fields(found, part.layer.adds))
        if part.layer.check is not None:
            try:
                part.layer.check(found)
            except Fault as fault:
                raise at_result(function, fault) from None
        if found.__class__ is dict:
            return found
        inner: list[Part] = []
        flatten(found, self.target, inner)
        if all(p.__class__ is dict for p in inner):
            made = joined(inner)
        else:
            laying = LayerComputation(self.target, inner, self.final)
            if any(p.__class__ is FunctionPart and p.nested for p in inner):
                laying.absent = partial(_below, old)
            made = laying.fields()
            self.checks += laying.checks
        nested = getattr(found, "nested", None)
        if nested:
            from .nested_fields import change_nested

            return change_nested(made, nested, old, part.layer.adds)
        return made

    def below(self, low: int, end: int) -> Fields:
        """Return `old` for the part `end`: the definitions of the parts from `low`."""
        if low < len(self.parts) and self.parts[low].__class__ is OnDemand:
            base = self.parts[low]
            return OnDemand(base.what, lambda name: evaluated(self.find(name, end, low)))
        return pending(_Definitions(self, low, end), None, OldRecord)

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
            from bisect import bisect_left

            at = bisect_left(found, end, key=lambda pair: pair[0]) - 1
            if at >= 0 and found[at][0] >= first:
                return found[at][1]
        return base[name] if base is not None and base.__class__ is OnDemand else MISSING


def _below(old: Value, name: str) -> Value:
    """Return a field of `old`, or MISSING."""
    return evaluated(old[name]) if old.__class__ is OnDemand else old.get(name, MISSING)


class _Definitions:
    """The definitions in a range of parts, as the `fill` of `old`."""

    __slots__ = ("laying", "low", "end")

    def __init__(self, laying: LayerComputation, low: int, end: int) -> None:
        self.laying = laying
        self.low = low
        self.end = end

    def find(self, name: str) -> Value:
        """Return the definition of a name, or MISSING."""
        found = self.laying.find(name, self.end, self.low)
        if found is MISSING and self.laying.absent is not None:
            return self.laying.absent(name)
        return found

    def may_have(self, name: str) -> bool:
        """Return False if there is certainly no definition of a name. A function may have more than it is given."""
        return self.laying.absent is not None or self.laying.find(name, self.end, self.low) is not MISSING

    def takes(self, name: str) -> bool:
        """Return whether a field that is not given may be given to the call that is changed."""
        accepts = self.laying.accepts
        return self.laying.absent is not None if accepts is None else accepts(name)

    def names(self) -> Fields:
        """Return the fields that may be changed, for error messages."""
        return {**self(), **dict.fromkeys(self.laying.parameters())}

    def is_hidden(self, name: str) -> bool:
        """Return True for a parameter of a call whose default cannot be found by its name."""
        return self.laying.takes is not None and self.laying.takes(name)

    def __call__(self) -> Fields:
        found: Fields = {}
        for i in range(self.low, self.end):
            found.update(self.laying.part(i))
        return found
