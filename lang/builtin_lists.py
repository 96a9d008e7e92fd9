"""The builtins for lists, records and numbers; builtins.py says what each does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key

from .arguments import function_of, int_of, list_of, record_of, strings_of, text_of, true, wrong
from .errors import Fault, did_you_mean, quote
from .operators import eq, fields, lt, pick
from .values import MISSING, OnDemand, Thunk, Value, evaluated, lookup, type_name

MAX_RANGE = 1_000_000


# ---- lists


def map_(xs: Value, f: Value, /) -> Value:
    f = function_of(f)
    return [Thunk(lambda x=x: f(x)) for x in list_of(xs)]


def filter_(xs: Value, f: Value, /) -> Value:
    f = function_of(f)
    return [x for x in list_of(xs) if true(f(x))]


def fold(xs: Value, start: Value, f: Value, /) -> Value:
    f = function_of(f)
    for x in list_of(xs):
        start = f(start, x)
    return evaluated(start)


def length(x: Value, /) -> Value:
    x = evaluated(x)
    if isinstance(x, dict):
        return len(fields(x))
    if x.__class__ is list or x.__class__ is str:
        return len(x)
    raise wrong(x, "a list, a record or a string")


def head(xs: Value, /) -> Value:
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no first element")
    return evaluated(xs[0])


def tail(xs: Value, /) -> Value:
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no elements after the first")
    return xs[1:]


def get(x: Value, key: Value, default: Value = MISSING, /) -> Value:
    x, key = evaluated(x), evaluated(key)
    if x.__class__ is list:
        i = int_of(key)
        if -1 < i < len(x):
            return evaluated(x[i])
        if default is MISSING:
            raise Fault(f"The list has no element {i}", why=f"it has {len(x)}, counted from 0")
        return evaluated(default)
    if not isinstance(x, dict):
        raise wrong(x, "a list or a record")
    name = text_of(key)
    value = pick(x, (name,)) if default is not MISSING else lookup(x, name)
    if value is MISSING and default is MISSING:
        raise Fault(f"There is no field {quote(name)}", hint=did_you_mean(name, x))
    return evaluated(default) if value is MISSING else value


def range_(a: Value, b: Value = MISSING, /) -> Value:
    start, end = (0, int_of(a)) if b is MISSING else (int_of(a), int_of(b))
    if end - start > MAX_RANGE:
        raise Fault(f"This range is too long, with {end - start} elements", why=f"the limit is {MAX_RANGE}")
    return list(range(start, end))


def reverse(xs: Value, /) -> Value:
    return list_of(xs)[::-1]


def concat(*xss: Value) -> Value:
    return [x for xs in xss for x in list_of(xs)]


def flatten(xss: Value, /) -> Value:
    return [x for xs in list_of(xss) for x in list_of(xs)]


def sort(xs: Value, key: Value = MISSING, /) -> Value:
    values = [evaluated(x) for x in list_of(xs)]
    keys = values if key is MISSING else [function_of(key)(x) for x in values]
    compare = cmp_to_key(lambda a, b: -1 if lt(a, b) else 1 if lt(b, a) else 0)
    if len(keys) == 1:
        lt(keys[0], keys[0])
    kinds = {k.__class__ for k in keys}
    plain = kinds == {str} or kinds == {int}
    order = sorted(range(len(keys)), key=keys.__getitem__ if plain else lambda i: compare(keys[i]))
    return [values[i] for i in order]


def unique(xs: Value, /) -> Value:
    found: list[Value] = []
    seen: set[Value] = set()
    others: list[Value] = []
    for x in list_of(xs):
        x = evaluated(x)
        if x.__class__ is str:
            if x in seen:
                continue
            seen.add(x)
        else:
            if any(eq(x, y) for y in others):
                continue
            others.append(x)
        found.append(x)
    return found


def zip_(xs: Value, ys: Value, /) -> Value:
    return [[x, y] for x, y in zip(list_of(xs), list_of(ys), strict=False)]


def any_(xs: Value, f: Value, /) -> Value:
    f = function_of(f)
    return any(true(f(x)) for x in list_of(xs))


def all_(xs: Value, f: Value, /) -> Value:
    f = function_of(f)
    return all(true(f(x)) for x in list_of(xs))


def contains(xs: Value, x: Value, /) -> Value:
    xs = evaluated(xs)
    if xs.__class__ is str:
        return text_of(x) in xs
    if isinstance(xs, dict):
        return has(xs, x)
    x = evaluated(x)
    return any(eq(evaluated(y), x) for y in list_of(xs))


# ---- records


def names(r: Value, /) -> Value:
    return sorted(record_of(r))


def values(r: Value, /) -> Value:
    r = record_of(r)
    return [r[name] for name in sorted(r)]


def has(r: Value, name: Value, /) -> Value:
    r, name = evaluated(r), text_of(name)
    if r.__class__ is OnDemand:
        return pick(r, (name,)) is not MISSING
    return name in record_of(r)


def remove(r: Value, names: Value, /) -> Value:
    gone = {names} if names.__class__ is str else set(strings_of(names))
    return {name: value for name, value in record_of(r).items() if name not in gone}


def map_record(r: Value, f: Value, /) -> Value:
    f = function_of(f)
    return {name: Thunk(lambda name=name, value=value: f(name, value)) for name, value in record_of(r).items()}


def to_record(xs: Value, /) -> Value:
    found: dict[str, Value] = {}
    for x in list_of(xs):
        item = record_of(x)
        if item.keys() != {"name", "value"}:
            raise Fault(
                "`to-record` takes records of `name` and `value`", why=f"this one has {', '.join(sorted(item))}"
            )
        name = text_of(item["name"])
        if name in found:
            raise Fault(f"Two of the elements are named {quote(name)}")
        found[name] = item["value"]
    return found


def merge(*records: Value) -> Value:
    result: dict[str, Value] = {}
    for record in records:
        result = _merged(result, record_of(record))
    return result


def _merged(a: dict[str, Value], b: dict[str, Value]) -> dict[str, Value]:
    result = dict(a)
    for name, value in b.items():
        if name in result:
            old, value = evaluated(result[name]), evaluated(value)
            if _plain_record(old) and _plain_record(value):
                value = _merged(old, value)
        result[name] = value
    return result


def _plain_record(value: Value) -> bool:
    return isinstance(value, dict) and value.__class__ is not OnDemand and "type" not in value


def on_demand(what: Value, f: Value, /) -> Value:
    return OnDemand(text_of(what), function_of(f))


# ---- numbers and others


def _extreme(name: str, xs: tuple[Value, ...], better: Callable[[Value, Value], bool]) -> Value:
    numbers = [evaluated(x) for x in (list_of(xs[0]) if len(xs) == 1 else xs)]
    if not numbers:
        raise Fault(f"`{name}` of nothing")
    best = numbers[0]
    for x in numbers:
        if better(x, best):
            best = x
    return best


def min_(*xs: Value) -> Value:
    return _extreme("min", xs, lt)


def max_(*xs: Value) -> Value:
    return _extreme("max", xs, lambda a, b: lt(b, a))


def abs_(n: Value, /) -> Value:
    n = evaluated(n)
    if n.__class__ is not int and n.__class__ is not float:
        raise wrong(n, "a number")
    return abs(n)


def type_(x: Value, /) -> Value:
    return type_name(evaluated(x))


def evaluate(x: Value, result: Value, /) -> Value:
    evaluated(x)
    return evaluated(result)


def error(message: Value, field: Value = None, /) -> Value:
    raise Fault(text_of(message), field=None if field is None else text_of(field))
