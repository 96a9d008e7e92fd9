"""Define the builtins for lists and numbers, and a few general ones.

The docstring of a builtin is its user documentation: the call, the description, and after an empty line examples, which
are expressions that evaluate to true.
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
from fpack.lang.runtime.operators import add, eq, fields, items, lt, pick
from fpack.lang.runtime.values import MISSING, Thunk, Value, describe, evaluated, force, lookup, type_name
from fpack.store.errors import FpackError, counted

from .records import has

_NUMBERS = {int, bool, float}
_MAX_LOOP_TEXT = 1 << 20  # total characters of the strings that `map` processes at once
_MAX_COMPARED_TEXT = 1 << 28  # characters that Python's own sort may compare
MAX_RANGE = 1_000_000


# ---- lists


def map_(xs: Value, f: Value, /) -> Value:
    """map(xs, f): Apply `f` to each element of a list. Each result is computed when it is needed.

    map([1, 2], x => x * 10) == [10, 20]
    """
    f = function_of(f, 1)
    return list(map(Thunk, map(partial, repeat(f), list_of(xs))))


def map_all(xs: Value, f: Value, /) -> Value:
    """Evaluate `map` at once, for a list whose elements are all certainly needed."""
    if xs.__class__ is list and f.__class__ is FunctionType and f.__code__.co_argcount == 1:
        return list(map(f, xs))
    return map_(xs, f)


def map_at_once(xs: Value, f: Value, loop: Callable[[list[Value]], list[Value]], /) -> Value:
    """Evaluate `map` at once if the elements are numbers or short strings, for a function that only computes.

    loop: the function, compiled to a loop over all elements. If the loop fails, the result is that of a lazy `map`, so
    that an error is raised only when its element is needed.
    """
    if xs.__class__ is list:
        kinds = set(map(type, xs))
        if kinds <= _NUMBERS or (kinds == {str} and sum(map(len, xs)) < _MAX_LOOP_TEXT):
            try:
                return loop(xs)
            except (FpackError, TypeError):
                pass
    return map_(xs, f)


def filter_(xs: Value, f: Value, /) -> Value:
    """filter(xs, f): Return the elements for which `f` returns true.

    filter([1, 2, 3], x => x > 1) == [2, 3]
    """
    f = function_of(f, 1)
    return [x for x in list_of(xs) if check_bool(f(x))]


def fold(xs: Value, start: Value, f: Value, /) -> Value:
    """fold(xs, start, f): Combine the elements from the left: f(...f(f(start, x0), x1)..., xn).

    fold([1, 2, 3], 0, (sum, x) => sum + x) == 6
    """
    return evaluated(reduce(function_of(f, 2), list_of(xs), start))


def fold_loop(xs: Value, start: Value, loop: Callable[[list[Value], Value], Value], /) -> Value:
    """Evaluate `fold` with a function that was compiled to a loop over all elements."""
    if xs.__class__ is list:
        return evaluated(loop(xs, start))
    return fold(xs, start, lambda so_far, element: so_far)  # raises the error


def fold_growing(xs: Value, start: Value, loop: Callable[[list[Value], Value], Value], /) -> Value:
    """Evaluate `fold` with a function that appends to its list, compiled to a loop that extends a copy of `start`."""
    if xs.__class__ is list:
        start = evaluated(start)
        return loop(xs, start[:] if xs and start.__class__ is list else start)
    return fold(xs, start, lambda so_far, element: so_far)  # raises the error


def append(xs: Value, more: list[Value]) -> None:
    """Evaluate `[...xs, ...more]` for the list that a loop of `fold` makes: append to it."""
    items(xs).extend(more)


def append_list(xs: Value, more: list[Value]) -> None:
    """Evaluate `xs + more` for the list that a loop of `fold` makes: append to it."""
    if xs.__class__ is list:
        xs += more
    else:
        add(xs, more)  # raises the error


def length(x: Value, /) -> Value:
    """length(x): Return the number of elements of a list, of fields of a record, or of characters of a string.

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
    """head(xs): Return the first element of a list.

    head([1, 2, 3]) == 1
    """
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no first element")
    return evaluated(xs[0])


def tail(xs: Value, /) -> Value:
    """tail(xs): Return all elements except the first.

    tail([1, 2, 3]) == [2, 3]
    """
    xs = list_of(xs)
    if not xs:
        raise Fault("An empty list has no tail")
    return xs[1:]


def get(x: Value, key: Value, default: Value = MISSING, /) -> Value:
    """get(x, key) or get(x, key, default): Return the element of a list at an index from 0, or the field of a record.
    If it does not exist, return `default`, or raise an error without one.

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
            count = f"the list has {counted(len(x), 'element')}; the first is element 0" if x else "the list is empty"
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
    """range(n) or range(a, b): Return the integers from 0, or from `a`, up to and excluding the last argument.

    range(3) == [0, 1, 2]
    range(2, 4) == [2, 3]
    """
    start, end = (0, int_of(a)) if b is MISSING else (int_of(a), int_of(b))
    if end - start > MAX_RANGE:
        raise Fault(f"This range has {end - start} elements, which is too many", why=f"the limit is {MAX_RANGE}")
    return list(range(start, end))


def reverse(xs: Value, /) -> Value:
    """reverse(xs): Return the elements in reverse order.

    reverse([1, 2, 3]) == [3, 2, 1]
    """
    return list_of(xs)[::-1]


def optional(condition: Value, x: Value, /) -> Value:
    """optional(condition, x): Return the list [x] if a condition is true, else the empty list. Use it with `...`.

    ["-g", ...optional(1 < 2, "-O2"), ...optional(false, error("not computed"))] == ["-g", "-O2"]
    """
    condition = evaluated(condition)
    if condition.__class__ is not bool:
        raise wrong_type(condition, "true or false")
    return [x] if condition else []


def concat(*xss: Value) -> Value:
    """concat(xs, ys, ...): Join lists, as [...xs, ...ys] does.

    concat([1], [2, 3], []) == [1, 2, 3]
    """
    return [x for xs in xss for x in list_of(xs)]


def flatten(xss: Value, /) -> Value:
    """flatten(xss): Join the lists that a list contains. Only one level is flattened.

    flatten([[1], [2, [3]]]) == [1, 2, [3]]
    """
    return [x for xs in list_of(xss) for x in list_of(xs)]


def sort(xs: Value, key: Value = MISSING, /) -> Value:
    """sort(xs) or sort(xs, key): Sort the elements by value or by key(x), which must be all numbers or all strings.
    The sort is stable.

        sort([3, 1, 2]) == [1, 2, 3]
        sort(["bb", "a"], x => length(x)) == ["a", "bb"]
    """
    by = None if key is MISSING else function_of(key, 1)
    values = [evaluated(x) for x in list_of(xs)]
    keys = values if by is None else [by(x) for x in values]
    _check_order("sort", keys)
    compare = cmp_to_key(lambda a, b: -1 if lt(a, b) else 1 if lt(b, a) else 0)
    kinds = {k.__class__ for k in keys}
    # Python sorts strings in one call of C that cannot be interrupted. A list may contain a long string many times.
    plain = kinds == {int} or (kinds == {str} and len(keys) * max(map(len, keys)) < _MAX_COMPARED_TEXT)
    order = sorted(range(len(keys)), key=keys.__getitem__ if plain else lambda i: compare(keys[i]))
    return [values[i] for i in order]


def _check_order(name: str, values: list[Value]) -> None:
    """Raise an error unless all values are numbers or all values are strings."""
    first = values[0] if values else ""
    for value in values:
        kinds = (str,) if first.__class__ is str else (int, float)
        if value.__class__ not in kinds:
            kind = describe(value)
            what = f"`{name}` compares numbers, or strings, and "
            raise Fault(what + (f"here is {kind}" if value is first else f"here are {describe(first)} and {kind}"))


def zip_(xs: Value, ys: Value, /) -> Value:
    """zip(xs, ys): Return the pairs [x, y] of the elements at the same index. The shorter list sets the length.

    zip([1, 2], ["a", "b", "c"]) == [[1, "a"], [2, "b"]]
    """
    return [[x, y] for x, y in zip(list_of(xs), list_of(ys), strict=False)]


def any_(xs: Value, f: Value, /) -> Value:
    """any(xs, f): Return true if `f` returns true for at least one element.

    any([1, 2], x => x > 1)
    """
    f = function_of(f, 1)
    return any(check_bool(f(x)) for x in list_of(xs))


def all_(xs: Value, f: Value, /) -> Value:
    """all(xs, f): Return true if `f` returns true for every element.

    all([1, 2], x => x > 0)
    """
    f = function_of(f, 1)
    return all(check_bool(f(x)) for x in list_of(xs))


def contains(xs: Value, x: Value, /) -> Value:
    """contains(xs, x): Return true if a list has an element equal to `x`, a string the substring `x`, or a record the
    field `x`.

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
    if not xs:
        return False
    x = evaluated(x)
    return any(eq(evaluated(y), x) for y in xs)


# ---- numbers and others


def _extreme(name: str, xs: tuple[Value, ...], better: Callable[[Value, Value], bool]) -> Value:
    """Return the best number or string of the arguments, or of the one list argument. name: of the builtin."""
    numbers = [evaluated(x) for x in (list_of(xs[0]) if len(xs) == 1 else xs)]
    if not numbers:
        raise Fault(f"`{name}` takes at least one number or string")
    _check_order(name, numbers)
    best = numbers[0]
    for x in numbers:
        if better(x, best):
            best = x
    return best


def min_(*xs: Value) -> Value:
    """min(a, b, ...) or min(xs): Return the smallest number or string.

    min(3, 1, 2) == 1
    min(["b", "a"]) == "a"
    """
    return _extreme("min", xs, lt)


def max_(*xs: Value) -> Value:
    """max(a, b, ...) or max(xs): Return the largest number or string.

    max([3, 1, 2]) == 3
    """
    return _extreme("max", xs, lambda a, b: lt(b, a))


def type_(x: Value, /) -> Value:
    """type(x): Return the type of a value: "null", "bool", "int", "float", "string", "path", "list", "record",
    "function" or "secret".

    type([1]) == "list"
    """
    return type_name(evaluated(x))


def evaluate(x: Value, result: Value, /) -> Value:
    """evaluate(x, result): Evaluate `x`, then return `result`. Use it for checks that must run first.

    evaluate(1 + 1, "done") == "done"
    """
    evaluated(x)
    return evaluated(result)


def error(message: Value, field: Value = None, /) -> Value:
    """error(message) or error(message, field): Stop the evaluation with an error. `field` names the field of the
    caller's record that caused the error.
    """
    raise Fault(text_of(message), field=None if field is None else text_of(field))
