"""Define the builtins that tell equal elements of lists apart. The docstrings are user documentation, as in lists.py.

All take time linear in what they compare, whatever the elements are.
"""

from __future__ import annotations

from fpack.lang.runtime.argument_checks import check_list, function_of, list_of
from fpack.lang.runtime.operators import key as field_name
from fpack.lang.runtime.values import MISSING, Thunk, Value, evaluated, force
from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpack.lang.runtime.equality_classes import EqualityClasses

_STRINGS = {str}


def unique(xs: Value, /) -> Value:
    """unique(xs): Return the elements without those that equal an earlier one.

    unique(["b", "a", "b"]) == ["b", "a"]
    """
    xs = _evaluated(xs)
    return _first_of(xs, xs)


def unique_by(xs: Value, key: Value, /) -> Value:
    """unique-by(xs, key): Return the elements without those whose key(x) equals that of an earlier one.

    unique-by([{ name = "z", n = 1 }, { name = "z", n = 2 }], p => p.name) == [{ name = "z", n = 1 }]
    """
    xs, key = _evaluated(xs), function_of(key, 1)
    return _first_of(xs, [key(x) for x in xs])


def _first_of(values: list[Value], keys: list[Value]) -> list[Value]:
    if set(map(type, keys)) <= _STRINGS:
        if values is keys:
            return list(dict.fromkeys(keys))
        seen: set[str] = set()
        # `add` returns None, so that the condition is true for a new key, after which it is known.
        return [v for v, k in zip(values, keys, strict=True) if k not in seen and not seen.add(k)]  # type: ignore
    classes = _no_classes()
    number = classes.number
    return [v for v, k in zip(values, keys, strict=True) if classes.count == number(k)]


def closure(xs: Value, further: Value, key: Value = MISSING, /) -> Value:
    """closure(xs, further) or closure(xs, further, key): Return the elements of a list, then the elements of the lists
    that `further` returns for them, and so on, level by level. An element that equals an earlier one, or whose key(x)
    equals that of an earlier one, is left out, and `further` is not called for it.

        closure([7], n => if n > 1 then [n / 2, n / 3] else []) == [7, 3, 2, 1, 0]
        map(closure([{ id = "a", uses = [{ id = "b", uses = [] }] }], p => p.uses, p => p.id), p => p.id) == ["a", "b"]
    """
    level, further = list_of(xs), function_of(further, 1)
    by = None if key is MISSING else function_of(key, 1)
    found: list[Value] = []
    # A record that was met before is left out without its key. `met` keeps the records, so that an id is unique.
    ids: set[int] = set()
    met: list[Value] = []
    seen: set[Value] = set()
    classes = _no_classes()  # of keys that are lists or records
    while level:
        new = []
        for x in level:
            if x.__class__ is Thunk:
                x = force(x)
            k = x
            if by is not None:
                if id(x) in ids:
                    continue
                ids.add(id(x))
                met.append(x)
                k = by(x)
            if k.__class__ is list or isinstance(k, dict):
                if classes.count != classes.number(k):
                    continue
            else:
                k = (k,) if k.__class__ is bool else k  # True equals 1 in Python
                if k in seen:
                    continue
                seen.add(k)
            new.append(x)
        found += new
        level = [y for x in new for y in check_list(further(x))]
    return found


# ---- for the library


def without(xs: Value, others: Value, /) -> Value:
    """list-without(xs, others): Return the elements that equal no element of another list.

    list-without([1, 2, 3], [2]) == [1, 3]
    """
    known = _classes(others)
    return [x for x in _evaluated(xs) if known.find(x) is None]


def common(xs: Value, others: Value, /) -> Value:
    """list-common(xs, others): Return the elements that equal an element of another list.

    list-common([1, 2, 3], [2]) == [2]
    """
    known = _classes(others)
    return [x for x in _evaluated(xs) if known.find(x) is not None]


def groups(xs: Value, key: Value, /) -> Value:
    """list-groups(xs, key): Return the elements by the string key(x).

    list-groups([1, 2, 10], x => to-string(length("${x}"))) == { "1" = [1, 2], "2" = [10] }
    """
    xs, key = list_of(xs), function_of(key, 1)
    found: dict[str, Value] = {}
    for x in xs:
        found.setdefault(field_name(key(x)), []).append(x)
    return found


def _evaluated(xs: Value) -> list[Value]:
    xs = list_of(xs)
    return [evaluated(x) for x in xs] if Thunk in set(map(type, xs)) else xs


def _no_classes() -> EqualityClasses:
    """Return classes without a value."""
    from fpack.lang.runtime.equality_classes import EqualityClasses

    return EqualityClasses()


def _classes(xs: Value) -> EqualityClasses:
    classes = _no_classes()
    for x in _evaluated(xs):
        classes.number(x)
    return classes
