"""The builtins for lists and numbers, and a few that fit nowhere else.

A builtin's docstring is its documentation for users: how it is called, what it gives, and after an empty line examples
that are true.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key, partial, reduce
from itertools import repeat
from types import FunctionType

from fpack.lang.errors import Fault
from fpack.lang.runtime.argument_checks import (
    ArgumentError,
    check_bool,
    function_of,
    int_of,
    list_of,
    text_of,
    wrong_type,
)
from fpack.lang.runtime.operators import eq, fields, lt, pick
from fpack.lang.runtime.values import MISSING, Thunk, Value, describe, evaluated, force, lookup, type_name
from fpack.store.errors import FpackError

from .records import has

_NUMBERS = {int, bool, float}
_MUCH = 1 << 20  # characters
_COMPARED = 1 << 28  # characters
MAX_RANGE = 1_000_000


# ---- lists


def map_(xs: Value, f: Value, /) -> Value:
    """map(xs, f): `f` of each element of a list, found when it is needed.

    map([1, 2], x => x * 10) == [10, 20]
    """
    f = function_of(f, 1)
    return list(map(Thunk, map(partial, repeat(f), list_of(xs))))


def map_all(xs: Value, f: Value, /) -> Value:
    """`map`, where all elements are sure to be asked for."""
    if xs.__class__ is list and f.__class__ is FunctionType and f.__code__.co_argcount == 1:
        return list(map(f, xs))
    return map_(xs, f)


def map_at_once(xs: Value, f: Value, loop: Callable[[list[Value]], list[Value]], /) -> Value:
    """`map` with a function that only computes with its argument: now, where that takes no longer than to do it later.

    loop: the function of all elements. The results are the same. Where one of them would be an error, each is found
    when it is needed.
    """
    if xs.__class__ is list:
        kinds = set(map(type, xs))
        if kinds <= _NUMBERS or (kinds == {str} and sum(map(len, xs)) < _MUCH):
            try:
                return loop(xs)
            except (FpackError, TypeError):
                pass
    return map_(xs, f)


def filter_(xs: Value, f: Value, /) -> Value:
    """filter(xs, f): The elements for which `f` is true.

    filter([1, 2, 3], x => x > 1) == [2, 3]
    """
    f = function_of(f, 1)
    return [x for x in list_of(xs) if check_bool(f(x))]


def fold(xs: Value, start: Value, f: Value, /) -> Value:
    """fold(xs, start, f): The elements put together, from the left: f(...f(f(start, x0), x1)..., xn).

    fold([1, 2, 3], 0, (sum, x) => sum + x) == 6
    """
    return evaluated(reduce(function_of(f, 2), list_of(xs), start))


def fold_loop(xs: Value, start: Value, loop: Callable[[list[Value], Value], Value], /) -> Value:
    """`fold` with a function that was made a loop over all elements."""
    if xs.__class__ is list:
        return evaluated(loop(xs, start))
    return fold(xs, start, lambda so_far, element: so_far)  # refuses it


def length(x: Value, /) -> Value:
    """length(x): How many elements a list has, how many fields a record, how many characters a string.

    length([1, 2]) == 2
    length("abc") == 3
    """
    x = evaluated(x)
    if isinstance(x, dict):
        return len(fields(x))
    if x.__class__ is list or x.__class__ is str:
        return len(x)
    raise wrong_type(x, "a list, a record or a string")


def head(xs: Value, /) -> Value:
    """head(xs): The first element of a list.

    head([1, 2, 3]) == 1
    """
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no first element")
    return evaluated(xs[0])


def tail(xs: Value, /) -> Value:
    """tail(xs): All elements but the first.

    tail([1, 2, 3]) == [2, 3]
    """
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no elements after the first")
    return xs[1:]


def get(x: Value, key: Value, default: Value = MISSING, /) -> Value:
    """get(x, key, default): The element of a list at an index from 0, or the field of a record; `default`, if it is
    given, where there is none.

        get([5, 6], 1) == 6
        get({ a = 1 }, "b", 0) == 0
    """
    if x.__class__ is list and key.__class__ is int and -1 < key < len(x):
        value = x[key]
        if value.__class__ is Thunk:
            value = x[key] = force(value)
        return value
    x, key = evaluated(x), evaluated(key)
    if x.__class__ is list:
        i = int_of(key)
        if -1 < i < len(x):
            return evaluated(x[i])
        if default is MISSING:
            count = f"it has {len(x)}, counted from 0" if x else "it is empty"
            raise ArgumentError(key, f"finds no element {i} in this list", why=count)
        return evaluated(default)
    if not isinstance(x, dict):
        raise wrong_type(x, "a list or a record")
    name = text_of(key)
    value = pick(x, (name,)) if default is not MISSING else lookup(x, name)
    if value is MISSING and default is MISSING:
        from fpack.lang.runtime.field_errors import no_field

        raise no_field(x, name)
    return evaluated(default) if value is MISSING else value


def range_(a: Value, b: Value = MISSING, /) -> Value:
    """range(n) or range(a, b): The integers from 0, or from `a`, up to but without the last.

    range(3) == [0, 1, 2]
    range(2, 4) == [2, 3]
    """
    start, end = (0, int_of(a)) if b is MISSING else (int_of(a), int_of(b))
    if end - start > MAX_RANGE:
        raise Fault(f"This range is too long, with {end - start} elements", why=f"the limit is {MAX_RANGE}")
    return list(range(start, end))


def reverse(xs: Value, /) -> Value:
    """reverse(xs): The elements from the last to the first.

    reverse([1, 2, 3]) == [3, 2, 1]
    """
    return list_of(xs)[::-1]


def concat(*xss: Value) -> Value:
    """concat(xs, ys, ...): Lists joined to one, as [...xs, ...ys] is.

    concat([1], [2, 3], []) == [1, 2, 3]
    """
    return [x for xs in xss for x in list_of(xs)]


def flatten(xss: Value, /) -> Value:
    """flatten(xss): The lists of a list joined to one. Only one level goes.

    flatten([[1], [2, [3]]]) == [1, 2, [3]]
    """
    return [x for xs in list_of(xss) for x in list_of(xs)]


def sort(xs: Value, key: Value = MISSING, /) -> Value:
    """sort(xs) or sort(xs, key): The elements in order, by value or by key(x): all numbers, or all strings.
    What is equal stays in its order.

        sort([3, 1, 2]) == [1, 2, 3]
        sort(["bb", "a"], x => length(x)) == ["a", "bb"]
    """
    by = None if key is MISSING else function_of(key, 1)
    values = [evaluated(x) for x in list_of(xs)]
    keys = values if by is None else [by(x) for x in values]
    _check_order("sort", keys)
    compare = cmp_to_key(lambda a, b: -1 if lt(a, b) else 1 if lt(b, a) else 0)
    kinds = {k.__class__ for k in keys}
    # Python compares texts in one call of C, which nothing ends. The same long text may stand in a list many times.
    plain = kinds == {int} or (kinds == {str} and len(keys) * max(map(len, keys)) < _COMPARED)
    order = sorted(range(len(keys)), key=keys.__getitem__ if plain else lambda i: compare(keys[i]))
    return [values[i] for i in order]


def _check_order(name: str, values: list[Value]) -> None:
    """Refuse what has no order: only numbers have one among each other, and strings."""
    first = values[0] if values else ""
    for value in values:
        kinds = (str,) if first.__class__ is str else (int, float)
        if value.__class__ not in kinds:
            kind = describe(value)
            what = f"`{name}` compares numbers, or strings, and "
            raise Fault(what + (f"here is {kind}" if value is first else f"here are {describe(first)} and {kind}"))


def unique(xs: Value, /) -> Value:
    """unique(xs): The elements without those that equal an earlier one.

    unique(["b", "a", "b"]) == ["b", "a"]
    """
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
    """zip(xs, ys): The pairs [x, y] of what stands at the same index, as many as the shorter list has.

    zip([1, 2], ["a", "b", "c"]) == [[1, "a"], [2, "b"]]
    """
    return [[x, y] for x, y in zip(list_of(xs), list_of(ys), strict=False)]


def any_(xs: Value, f: Value, /) -> Value:
    """any(xs, f): Whether `f` is true of at least one element.

    any([1, 2], x => x > 1)
    """
    f = function_of(f, 1)
    return any(check_bool(f(x)) for x in list_of(xs))


def all_(xs: Value, f: Value, /) -> Value:
    """all(xs, f): Whether `f` is true of each element.

    all([1, 2], x => x > 0)
    """
    f = function_of(f, 1)
    return all(check_bool(f(x)) for x in list_of(xs))


def contains(xs: Value, x: Value, /) -> Value:
    """contains(xs, x): Whether a list has an element that equals `x`, a string the part `x`, a record the field `x`.

    contains([1, 2], 2)
    contains("hello", "ell")
    """
    xs = evaluated(xs)
    if xs.__class__ is str:
        return text_of(x) in xs
    if isinstance(xs, dict):
        return has(xs, x)
    if xs.__class__ is not list:
        raise wrong_type(xs, "a list, a string or a record")
    x = evaluated(x)
    return any(eq(evaluated(y), x) for y in xs)


# ---- numbers and others


def _extreme(name: str, xs: tuple[Value, ...], better: Callable[[Value, Value], bool]) -> Value:
    numbers = [evaluated(x) for x in (list_of(xs[0]) if len(xs) == 1 else xs)]
    if not numbers:
        raise Fault(f"`{name}` takes at least one number or string, and here is none")
    _check_order(name, numbers)
    best = numbers[0]
    for x in numbers:
        if better(x, best):
            best = x
    return best


def min_(*xs: Value) -> Value:
    """min(a, b, ...) or min(xs): The smallest of numbers, or of strings.

    min(3, 1, 2) == 1
    min(["b", "a"]) == "a"
    """
    return _extreme("min", xs, lt)


def max_(*xs: Value) -> Value:
    """max(a, b, ...) or max(xs): The largest of numbers, or of strings.

    max([3, 1, 2]) == 3
    """
    return _extreme("max", xs, lambda a, b: lt(b, a))


def abs_(n: Value, /) -> Value:
    """abs(n): A number without its sign.

    abs(-2) == 2
    """
    n = evaluated(n)
    if n.__class__ is not int and n.__class__ is not float:
        raise wrong_type(n, "a number")
    return abs(n)


def type_(x: Value, /) -> Value:
    """type(x): "null", "bool", "int", "float", "string", "path", "list", "record" or "function".

    type([1]) == "list"
    """
    return type_name(evaluated(x))


def evaluate(x: Value, result: Value, /) -> Value:
    """evaluate(x, result): `result`, once `x` is evaluated: for checks that come first.

    evaluate(1 + 1, "done") == "done"
    """
    evaluated(x)
    return evaluated(result)


def error(message: Value, field: Value = None, /) -> Value:
    """error(message) or error(message, field): Ends the evaluation with a message. `field` names the field of the
    caller's record that is to blame.
    """
    raise Fault(text_of(message), field=None if field is None else text_of(field))
