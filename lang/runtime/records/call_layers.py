"""Lay changes over the result of a call with a record, `f { ... }`, by calling the function again.

The origin of such a record is (function, argument, inner). `inner` are the functions further in: if the body of
`function` ends in a call with a record, that call's function, and so on; a final None says that the innermost function
returns a record whose fields can be changed. Together they are the chain.

A changed field goes to the outermost function of the chain that has it as a parameter, or takes any field by `...rest`.
`old` has the field of the argument as it is given below the layer; a field that is not given is that of the chain's
result, called with all final fields but this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType, FunctionType

from fpack.lang.abi import FUNCTIONS
from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.light_typing import Any

from ..values import MISSING, OnDemand, Pending, Record, Thunk, Value, evaluated, pending, tentative
from .layers import LayerComputation, changed
from .origins import Fields, Layer, Layers, Part, Spread, is_call, origin_of
from .parts import add_layers, flatten

Inner = tuple[Callable[[Value], Value] | None, ...]


# The code of the functions that `.with` and `.extend` are; update.py sets it.
METHOD: list[CodeType | None] = [None]


class Pattern:
    """The fields that a function takes. names: those of its parameters. rest: it takes any field."""

    __slots__ = ("name", "names", "rest")

    def __init__(self, name: str, names: dict[str, None], rest: bool) -> None:
        self.name = name
        self.names = names
        self.rest = rest


_ANY = Pattern("", {}, True)
_FIELDS = ("kind", "name", "candidates", "outputs", "args")  # those of `derivation`, besides the arguments of the kind
# The patterns of builtins that take certain fields, and those that they were given. Others take any field. It has one
# entry for each function of the sources that is declared.
_BUILTINS: dict[CodeType, Pattern] = {}


def declare_derivation(function: FunctionType) -> None:
    """Declare that a function makes derivations: `.with` changes the fields that one was given, and adds none."""
    _BUILTINS[function.__code__] = Pattern("derivation", dict.fromkeys(_FIELDS), False)


def pattern_of(function: Value) -> Pattern:
    """Return the fields that a function of one record takes."""
    code = getattr(function, "__code__", None)
    if code is None or not code.co_argcount or not code.co_varnames[0].startswith(".given"):
        return _BUILTINS.get(code, _ANY) if code is not None else _ANY
    info = function.__globals__[FUNCTIONS][id(code)]
    if info.pattern is None:
        info.pattern = _ANY
        for const in code.co_consts:  # the specification that `take` in operators.py gets
            if const.__class__ is tuple and len(const) == 4 and const[3].__class__ is bool:
                info.pattern = Pattern(const[0], dict.fromkeys(const[1]), const[3])
                break
    return info.pattern  # type: ignore[no-any-return]


def inner_of(value: Value) -> Inner:
    """Return the chain of the functions that made a record, as the `inner` of the call that returns it."""
    origin = origin_of(value)
    if origin.__class__ is Layers:
        return inner_of(origin.base)
    if origin.__class__ is tuple and len(origin) == 3:
        # A builtin such as `derivation` takes any field, so a misspelt one would change what it makes.
        return (origin[0], *origin[2]) if FUNCTIONS in getattr(origin[0], "__globals__", ()) else ()
    return () if origin is None else (None,)


def remember_call(value: Value, function: Callable[[Value], Value], argument: dict[str, Value]) -> Value:
    """Return the result of `function { ... }`; if it is a record, its origin calls the function again.

    argument: the record that the function was called with, to which `.with` applies the changes.
    """
    if isinstance(value, Record):
        code = getattr(function, "__code__", None)
        if code is METHOD[0]:
            return value  # what `.with` and `.extend` return has an origin
        inner = inner_of(value)
        try:
            fresh = function.__globals__[FUNCTIONS][id(code)].fresh
        except (AttributeError, KeyError):
            fresh = False  # a builtin
        if not fresh:
            value = _copy(value)
    elif value.__class__ is dict:
        if getattr(function, "__code__", None) is METHOD[0]:
            return value  # plain data that was changed is plain data
        value, inner = Record(value), ()
    else:
        return value
    value.origin = (function, argument, inner)
    return value


def _copy(value: Record) -> Record:
    made = pending(lambda: dict(value.items()), None) if value.__class__ is Pending else Record(value)
    nested = getattr(value, "nested", None)
    if nested:
        made.nested = nested
    return made


def called_again(value: Fields, change: Fields) -> Value:
    """Return a call's result with other arguments, or MISSING unless the change and the arguments are plain data.

    Arguments that do not depend on each other, and changes without `old`, are simply other arguments.
    """
    function, argument, _ = value.origin  # type: ignore[attr-defined]
    if argument.__class__ is not dict:
        return MISSING
    names = pattern_of(function).names
    for name in change:
        if name not in argument and name not in names:
            return MISSING
    given = {**argument, **change}
    return remember_call(function(given), function, given)


def called_or_added(value: Fields, more: Fields) -> Fields:
    """Return the fields of `{ ...value, NAME = VALUE, ... }`: the function takes those that it has."""
    function, argument, inner = value.origin  # type: ignore[attr-defined]
    names = pattern_of(function).names
    taken: Fields = {}
    added: Fields = {}
    for name, field in more.items():
        if name in names or name in argument or (inner and knows(value, name)):
            taken[name] = field
        else:
            added[name] = field
    if not taken:
        return {**value, **added}
    if argument.__class__ is dict and taken.keys() <= names.keys():
        # Only the fields of the result are asked for, so that it needs no origin of its own.
        made = function({**argument, **taken})
        if isinstance(made, dict):
            return {**made, **added}
    found = called_again(value, taken)
    value = changed(value, Layer(taken, False)) if found is MISSING else found
    return {**value, **added} if added else dict(value.items())


def knows(value: Fields, name: str) -> bool:
    """Return whether a function of a call's chain has a parameter of this name, or the field was given to it."""
    origin = origin_of(value)
    if origin.__class__ is Layers:
        if any(layer.change.__class__ is dict and not layer.adds and name in layer.change for layer in origin.layers):
            return True
        origin = origin_of(origin.base)
    function, argument, inner = origin
    return name in argument or _has_parameter((function, *inner), name) or (inner[-1:] == (None,) and name in value)


def _is_library(function: Value) -> bool:
    source = getattr(function, "__globals__", {}).get(".source")
    return source is None or source.library


def _has_parameter(chain: Inner, name: str) -> bool:
    return any(name in pattern_of(f).names for f in chain if f is not None)


# ---- changes


def change_call(base: Fields, layers: tuple[Layer, ...]) -> Value:
    """Return the result of a call with layers."""
    result: Thunk = Thunk(lambda: _Call(base, layers, result).value())
    return evaluated(result)


class _Call:
    """A call that is made again with changed fields. result: a thunk of its value."""

    def __init__(self, base: Fields, layers: tuple[Layer, ...], result: Thunk) -> None:
        self.base = base
        self.layers = layers
        self.function, self.argument, self.inner = origin_of(base)
        self.pattern = pattern_of(self.function)
        self.target = pending(self._fill, None)
        self.parts: list[Part] = []  # those of the argument, then the layers
        flatten(self.argument, self.target, self.parts)
        self.given = len(self.parts)
        self.adds: list[bool] = [False] * self.given
        for layer in layers:
            add_layers((layer,), self.target, self.parts, None)
            self.adds += [layer.adds] * (len(self.parts) - len(self.adds))
        self.laying = LayerComputation(self.target, self.parts, result, self._absent)
        self.laying.takes = self._has_own_parameter
        self.laying.accepts = self._accepts
        self.laying.parameters = self._parameters
        self.defaults: dict[str, Thunk] = {}

    def _fill(self) -> Any:
        return self.laying.fields(), tuple(self.laying.checks)

    def value(self) -> Value:
        """Return the result of the call."""
        value = self._called(self.target, None)
        if value.__class__ is Pending:
            return pending(lambda: dict(value.items()), Layers(self.base, self.layers))
        if isinstance(value, dict) and value.__class__ is not OnDemand:
            made = Record(value)
            made.origin = Layers(self.base, self.layers)
            return made
        return value

    def _called(self, target: Fields, without: str | None) -> Value:
        """Call the chain with the final fields. without: call it without this field, only for its default."""
        own, further, added = self._divided()
        argument: Fields = {name: target[name] for name in own if name != without}
        if without is not None:
            argument = tentative(argument)
        elif origin_of(self.argument) is not None:
            over = {
                name: argument[name] for name in own if any(name in self.laying.part(i) for i in self._layer_parts())
            }
            argument = Record(argument)
            argument.origin = Spread((self.argument, over))
        value = self.function(argument)
        for names, adds in ((further, False), (added, True)):
            left = {name: target[name] for name in names if name != without}
            if left:
                value = self._passed_on(value, left, adds)
        return value

    def _layer_parts(self) -> range:
        return range(self.given, len(self.parts))

    def _divided(self) -> tuple[list[str], list[str], list[str]]:
        """Return the names of the fields for the function, for the functions further in, and for the result."""
        given = {name for i in range(self.given) for name in self.laying.part(i)}
        strict = {name for i in self._layer_parts() if not self.adds[i] for name in self.laying.part(i)}
        own, further, added = [], [], []
        for name in self.target:
            if name in given or name in self.pattern.names:
                own.append(name)
            elif name in strict or self._is_further_in(name):
                if self.inner and not self.pattern.rest:
                    self._check_further(name)
                    further.append(name)
                elif self._is_builtin():
                    raise unknown(name, (self.function,), given)
                else:
                    own.append(name)
            else:
                added.append(name)
        return own, further, added

    def _is_builtin(self) -> bool:
        return getattr(self.function, "__code__", None) in _BUILTINS

    def _check_further(self, name: str) -> None:
        """Raise Fault if no function further in can take a field."""
        if not self._is_further_in(name) and not any(f is not None and pattern_of(f).rest for f in self.inner):
            raise unknown(name, (self.function, *self.inner))

    def _has_own_parameter(self, name: str) -> bool:
        """Return whether a function of the user's files has a parameter. A hidden default of the library is null."""
        own = tuple(f for f in (self.function, *self.inner) if f is not None and not _is_library(f))
        return _has_parameter(own, name)

    def _accepts(self, name: str) -> bool:
        """Return whether a function of the chain has a parameter, or takes any field."""
        chain = [pattern_of(f) for f in (self.function, *self.inner) if f is not None]
        return any(p.rest or name in p.names for p in chain)

    def _parameters(self) -> Iterable[str]:
        """Return the names of the parameters of the chain's functions."""
        return [name for f in (self.function, *self.inner) if f is not None for name in pattern_of(f).names]

    def _is_further_in(self, name: str) -> bool:
        if _has_parameter(self.inner, name):
            return True
        return self.inner[-1:] == (None,) and name in self.base

    def _passed_on(self, value: Value, left: Fields, adds: bool) -> Value:
        """Return a function's result with the changes that the function does not take."""
        value = evaluated(value)
        if adds and self._is_builtin():
            return Record({**value, **left})
        origin = origin_of(value)
        if isinstance(value, dict) and (origin is not None or adds):
            if not adds and not is_call(origin):
                self._refuse(left, value)
            return changed(value, Layer(left, adds))
        self._refuse(left, value)
        return value

    def _refuse(self, left: Fields, value: Value) -> None:
        """Raise Fault for a field that the chain does not have."""
        for name in left:
            if not isinstance(value, dict) or origin_of(value) is None or name not in value:
                raise unknown(name, (self.function, *self.inner))

    # ---- old

    def _absent(self, name: str) -> Value:
        """Return the field of `old` that is not given below the layer."""
        found = self.defaults.get(name)
        if found is None:
            found = self.defaults[name] = Thunk(lambda: self._called(self.target, name))
        return _field_given(evaluated(found), name)


def _field_given(value: Value, name: str) -> Value:
    """Return a field that a function further in was given, else that of the result; MISSING if there is none."""
    if not isinstance(value, dict):
        return MISSING
    at: Value = value
    while True:
        origin = origin_of(at)
        if origin.__class__ is not tuple or len(origin) != 3:
            break
        function, argument, inner = origin
        pattern = pattern_of(function)
        if name in argument:
            return argument[name]
        if name in pattern.names or pattern.rest or not inner or inner[0] is None:
            break
        at = evaluated(function(argument))
    return value.get(name, MISSING)


# ---- errors


def unknown(name: str, chain: Inner, given: Iterable[str] = ()) -> Fault:
    """Return the error for a field of `.with` that no function of a chain has, and that is none of those `given`."""
    patterns = [pattern_of(f) for f in chain if f is not None]
    titles = list(dict.fromkeys(quote(p.name) for p in patterns if p.name)) or ["the function"]
    if len(titles) == 1:
        what = f"{titles[0][:1].upper()}{titles[0][1:]} has no field {quote(name)}"
    else:
        what = f"Neither {', '.join(titles[:-1])} nor {titles[-1]} has a field {quote(name)}"
    known = list(dict.fromkeys([*sorted(given), *(n for p in patterns for n in p.names)]))
    others = f"`.with {{ args.{name} = ... }}` adds an argument" if given else "`.extend` adds others"
    hint = did_you_mean(name, known) or f"the fields are {', '.join(known[:40])}; {others}"
    why = "`.with` changes the arguments of the functions that made a record" if len(titles) > 1 else ""
    return Fault(what, why=why, hint=hint, field=name)


def refuse_unknown_in(parts: tuple[Value, ...], layers: tuple[Layer, ...]) -> None:
    """Raise Fault for a field of a `.with` that no part of a spread has."""
    if any(part.__class__ is FunctionType for part in parts):
        return  # nested fields, whose names are not known before
    for layer in layers:
        if layer.adds or layer.change.__class__ is FunctionType:
            continue
        for name in layer.change:
            if not any(knows(p, name) if is_call(origin_of(p)) else name in p for p in parts) and not any(
                name in other.change for other in layers if other.adds and isinstance(other.change, dict)
            ):
                chain = tuple(f for p in parts if is_call(origin_of(p)) for f in inner_of(p))
                raise unknown(name, chain)
