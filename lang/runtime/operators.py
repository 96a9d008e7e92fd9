"""Provide the runtime functions of generated code: operators, records, calls and loops.

Generated code calls these functions by the names in RUNTIME, which begin with a dot. The runtime functions for `.with`
and `.extend` are in records/update.py, those for the types of parameters in parameter_types.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from math import isinf

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.lang.protocols import is_absent
from fpack.light_typing import Any, NoReturn
from fpack.store.errors import FpackError

from .values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    OnDemand,
    Path,
    Tentative,
    Thunk,
    Value,
    describe,
    evaluated,
    force,
    is_derivation,
    lookup,
    tentative,
    type_name,
)  # fmt: skip

# ---- arithmetic


def add(a: Value, b: Value) -> Value:
    """Evaluate `a + b`: add numbers, join strings or lists, or extend a path."""
    ca = a.__class__
    if ca is b.__class__ and (ca is int or ca is str or ca is list):
        return a + b
    if _number(a) and _number(b):
        return _float(lambda: a + b)
    if ca is Path and b.__class__ is str:
        from .paths import joined

        return joined(a, b)
    hint = ""
    if ca is str or b.__class__ is str:
        hint = 'write "${VALUE}" to put a value into a string'
    elif isinstance(a, dict) and isinstance(b, dict):
        hint = "write { ...a, ...b } to join records"
    raise _misfit("+", a, b, hint)


def sub(a: Value, b: Value) -> Value:
    """Evaluate `a - b`."""
    if a.__class__ is int and b.__class__ is int:
        return a - b
    if _number(a) and _number(b):
        return _float(lambda: a - b)
    raise _misfit("-", a, b)


def mul(a: Value, b: Value) -> Value:
    """Evaluate `a * b`; raise Fault beyond 64 bits, because repeated products would fill the memory."""
    if a.__class__ is int and b.__class__ is int:
        product = a * b
        if INT_MIN <= product <= INT_MAX:
            return product
        raise Fault("This product is too large", why="integers have 64 bits")
    if _number(a) and _number(b):
        return _float(lambda: a * b)
    raise _misfit("*", a, b)


def div(a: Value, b: Value) -> Value:
    """Evaluate `a / b`; the quotient of integers is rounded toward zero."""
    if not (_number(a) and _number(b)):
        hint = 'write "${A}/b" to join paths' if a.__class__ in (str, Path) else ""
        raise _misfit("/", a, b, hint)
    if b == 0:
        raise Fault("Division by zero")
    if a.__class__ is int and b.__class__ is int:
        quotient = a // b
        return quotient + 1 if quotient < 0 and quotient * b != a else quotient
    return _float(lambda: a / b)


def neg(a: Value) -> Value:
    """Evaluate `-a`."""
    if not _number(a):
        raise Fault(f"`-` takes a number, and this is {describe(a)}")
    return -a


def _float(compute: Callable[[], float]) -> float:
    """Return the result of a computation with floats; raise Fault if it is infinite."""
    try:
        value = compute()
    except OverflowError:
        value = float("inf")
    if isinf(value):
        raise Fault("This number is too large")
    return value


def _number(a: Value) -> bool:
    return a.__class__ is int or a.__class__ is float


def _misfit(op: str, a: Value, b: Value, hint: str = "") -> Fault:
    return Fault(f"`{op}` cannot take {describe(a)} and {describe(b)}", hint=hint)


# ---- comparison

Pairs = set[tuple[int, int]]  # of the ids of values
_TRACKED = 8  # the depth from which `eq` looks for values that contain themselves or share parts


def eq(a: Value, b: Value, depth: int = 0, seen: Pairs | None = None) -> bool:
    """Evaluate `a == b`: compare numbers by value, lists and records by element, derivations by output path.

    Two values that contain themselves are equal if no path through both leads to a difference. depth: the nesting of
    the values. seen: the pairs of lists or records, from a certain depth, that are equal unless a difference is found
    elsewhere, or None.
    """
    ca, cb = a.__class__, b.__class__
    if ca is cb and (ca is str or ca is int or ca is bool):
        return a == b  # type: ignore[no-any-return]
    if _number(a) and _number(b):
        return bool(a == b)
    if a is b:
        return True
    if ca is list and cb is list:
        return len(a) == len(b) and _contents_equal(a, b, zip(a, b, strict=True), depth, seen)
    if isinstance(a, dict) and isinstance(b, dict):
        if is_derivation(a) and is_derivation(b):
            return bool(evaluated(a["out"]) == evaluated(b["out"]))
        return a.keys() == b.keys() and _contents_equal(a, b, ((a[k], b[k]) for k in sorted(a)), depth, seen)
    for value in (a, b):
        if isinstance(value, dict) and value.__class__ is not OnDemand:
            len(value)  # a record that has no value equals nothing
    return bool(ca is cb and a == b)


def _contents_equal(a: Value, b: Value, pairs: Iterable[tuple[Value, Value]], depth: int, seen: Pairs | None) -> bool:
    """Compare the pairs of elements of two lists, or of fields of two records; depth, seen: as for `eq`."""
    if depth >= _TRACKED:
        both = (id(a), id(b))
        if seen is None:
            seen = set()
        elif both in seen:
            return True
        seen.add(both)
    return all(eq(evaluated(x), evaluated(y), depth + 1, seen) for x, y in pairs)


def _ordering(op: str, compare: Callable[[Value, Value], bool]) -> Callable[[Value, Value], bool]:
    """Return the function that evaluates `a OP b`."""

    def ordered(a: Value, b: Value) -> bool:
        same = a.__class__ is b.__class__ and (a.__class__ is int or a.__class__ is str)
        if not same and not (_number(a) and _number(b)):
            hint = "it compares two numbers or two strings"
            raise Fault(f"`{op}` cannot compare {describe(a)} with {describe(b)}", hint=hint)
        return compare(a, b)

    return ordered


lt, le = _ordering("<", operator.lt), _ordering("<=", operator.le)
gt, ge = _ordering(">", operator.gt), _ordering(">=", operator.ge)


def truth(a: Value) -> NoReturn:
    """Raise the error for a condition that is neither true nor false."""
    hint = ""
    if a.__class__ in (str, list, int) or isinstance(a, dict):
        hint = {"string": 'compare with == ""', "list": "compare with == []", "int": "compare with == 0"}.get(
            type_name(a), ""
        )
    elif a is None:
        hint = "compare with == null"
    raise Fault(f"A condition is true or false, and this is {describe(a)}", hint=hint)


def fail(message: Value) -> NoReturn:
    """Raise the error of a failed `assert`."""
    if message.__class__ is not str:
        raise Fault(f"The message of an `assert` is a string, and this is {describe(message)}")
    raise Fault(message)


# ---- records and lists


def key(name: Value, taken: tuple[str, ...] = (), computed: dict[str, None] | None = None) -> str:
    """Return a computed field name; raise Fault if it is no string or the record has a field of that name.

    taken: the constant names of the record. computed: the names that were computed so far, to which this one is added.
    """
    if name.__class__ is not str:
        raise Fault(f"A field's name is a string, and this is {describe(name)}")
    if name in taken:
        raise Fault(f"The field {quote(name)} is given twice", twin=name)
    if computed is not None:
        if name in computed:
            raise Fault(f"The field {quote(name)} is given twice", why="both names are computed")
        computed[name] = None
    return name


def put(record: dict[str, Value], name: str, value: Value) -> None:
    """Add a field that a record comprehension makes."""
    if name in record:
        raise Fault(f"The comprehension makes two fields named {quote(name)}")
    record[name] = value


def field(base: Value, name: str) -> Value:
    """Evaluate `base.name`, and store the evaluated field in the record."""
    if base.__class__ is Thunk:
        base = force(base)
    try:
        value = base[name]
    except (KeyError, TypeError) as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # raised by the evaluation of an on-demand field
        from fpack.lang.runtime.field_errors import no_field, not_a_record

        raise (no_field if isinstance(base, dict) else not_a_record)(base, name) from None
    if value.__class__ is Thunk:
        value = base[name] = force(value)
    return value


def pick(base: Value, names: tuple[str, ...], strict: bool = False) -> Value:
    """Select `base.a.b` for `base.a.b or ...`; return MISSING if a field is missing or the record is null.

    strict: raise the error of an on-demand record for a field that it does not have.
    """
    value = base
    for name in names:
        if value is None:
            return MISSING
        if not isinstance(value, dict):
            raise Fault(f"{describe(value).capitalize()} has no field {quote(name)}")
        try:
            value = lookup(value, name)
        except FpackError as error:
            if value.__class__ is OnDemand and is_absent(error) and not strict:
                return MISSING
            raise
        if value is MISSING:
            return MISSING
    return value


def fields(value: Value) -> dict[str, Value]:
    """Return the fields that `...value` adds to a record; raise Fault if they cannot be listed."""
    if not isinstance(value, dict):
        hint = "`...` in a record takes a record; write [...a, ...b] to join lists"
        raise Fault(f"This is {describe(value)}, not a record", hint=hint if value.__class__ is list else "")
    if value.__class__ is OnDemand:
        raise Fault(f"The fields of {value.what} cannot be listed", why="each field is computed when it is selected")
    return value


def base_record(value: Value) -> dict[str, Value]:
    """Return what `...value` spreads at the beginning of a record; raise Fault if it is no record."""
    return value if value.__class__ is OnDemand else fields(value)


def items(value: Value) -> list[Value]:
    """Return the elements that `...value` adds to a list."""
    if value.__class__ is not list:
        raise Fault(f"This is {describe(value)}, not a list")
    return value


def final(spreads: tuple[Value, ...], name: str, value: Value) -> Value:
    """Evaluate a field that spreads follow: the last spread that has the field overrides it."""
    for spread in reversed(spreads):
        record = fields(evaluated(spread))
        if name in record:
            return evaluated(record[name])
    return evaluated(value)


def loop(values: Value, body: Callable[[Value], None]) -> None:
    """Run `for x in values`."""
    if values.__class__ is not list:
        hint = "write `for NAME, VALUE in RECORD` for a record's fields" if isinstance(values, dict) else ""
        raise Fault(f"`for` takes a list, and this is {describe(values)}", hint=hint)
    for value in values:
        body(value)


def loop_pairs(record: Value, body: Callable[[str, Value], None]) -> None:
    """Run `for name, value in record`."""
    if not isinstance(record, dict):
        raise Fault(f"`for NAME, VALUE` takes a record, and this is {describe(record)}")
    record = fields(record)
    for name in sorted(record):  # as `names` does: equal records give equal lists
        body(name, record[name])


# ---- calls


def positional(value: Value) -> list[Value] | tuple[()]:
    """Return the positional arguments that `...value` adds to a call."""
    if value.__class__ is list:
        return value
    if isinstance(value, dict):
        return ()
    raise Fault(f"`...` in a call takes a list or a record, and this is {describe(value)}")


def named(value: Value) -> dict[str, Value]:
    """Return the named arguments that `...value` adds to a call."""
    return fields(value) if isinstance(value, dict) else {}


def take(argument: Value, spec: tuple[str, tuple[str, ...], tuple[bool, ...], bool]) -> list[Value]:
    """Return the fields of a record argument in the pattern's order, then the rest as a record if the pattern has one.

    spec: the name of the function, the names of the fields, which fields are required, and whether the pattern takes
    other fields.
    """
    function, names, required, rest = spec
    argument = evaluated(argument)
    if argument.__class__ is Tentative:
        argument = tentative(argument)
    if argument.__class__ is dict and not rest and len(argument) == len(names):
        try:
            return [argument[name] for name in names]
        except KeyError:
            pass
    callee = quote(function) if function else "this function"
    if not isinstance(argument, dict):
        shown = [name for name, is_needed in zip(names, required, strict=True) if is_needed] or names[:1]
        example = ", ".join(f"{name} = ..." for name in shown[:2])
        hint = f"write {function or 'f'} {{ {example} }}" if names else ""
        raise Fault(f"{_upper(callee)} takes a record, and this is {describe(argument)}", hint=hint, caller=True)
    found: list[Value] = [argument.get(name, MISSING) for name in names]
    if rest:
        known = set(names)
        others = {name: value for name, value in fields(argument).items() if name not in known}
        found.append(Tentative(others) if argument.__class__ is Tentative else others)
    elif len(argument) > len(names) - found.count(MISSING):
        for name in argument:
            if name not in names:
                hint = did_you_mean(name, names) or f"its fields are {', '.join(names)}"
                raise Fault(f"{_upper(callee)} has no field {quote(name)}", hint=hint, field=name, caller=True)
    for i, name in enumerate(names):
        if found[i] is MISSING and required[i]:
            raise Fault(f"{_upper(callee)} needs the field {quote(name)}", caller=True)
    return found


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


RUNTIME: dict[str, Any] = {
    ".T": Thunk,
    ".F": force,
    ".E": evaluated,
    ".field": field,
    ".M": MISSING,
    ".int": int,
    ".dict": dict,
    ".str": str,
    ".bool": bool,
    ".add": add,
    ".sub": sub,
    ".mul": mul,
    ".div": div,
    ".neg": neg,
    ".eq": eq,
    ".lt": lt,
    ".le": le,
    ".gt": gt,
    ".ge": ge,
    ".truth": truth,
    ".fail": fail,
    ".key": key,
    ".put": put,
    ".pick": pick,
    ".fields": fields,
    ".base-record": base_record,
    ".items": items,
    ".final": final,
    ".loop": loop,
    ".loop-pairs": loop_pairs,
    ".positional": positional,
    ".named": named,
    ".take": take,
}
