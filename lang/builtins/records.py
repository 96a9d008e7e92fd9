"""Define the builtins for records. The docstrings are user documentation, as in lists.py."""

from __future__ import annotations

from functools import partial

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.argument_checks import (
    ArgumentError,
    function_of,
    list_of,
    record_of,
    strings_of,
    text_of,
    wrong_type,
)
from fpack.lang.runtime.operators import fields, pick
from fpack.lang.runtime.values import MISSING, OnDemand, Record, Thunk, Value, describe, evaluated

_SHOWN = 8  # names of fields in a message


def names(r: Value, /) -> Value:
    """names(r): Return the names of a record's fields, sorted.

    names({ b = 1, a = 2 }) == ["a", "b"]
    """
    return sorted(record_of(r))


def values(r: Value, /) -> Value:
    """values(r): Return the values of a record's fields, in the order of the sorted names.

    values({ b = 1, a = 2 }) == [2, 1]
    """
    r = record_of(r)
    return [r[name] for name in sorted(r)]


def has(r: Value, name: Value, /) -> Value:
    """has(r, name): Return true if a record has a field of that name.

    has({ a = null }, "a")
    """
    if name.__class__ is str and (r.__class__ is Record or r.__class__ is dict):
        return name in r  # the usual case, which long loops test
    r, name = evaluated(r), text_of(name)
    if r.__class__ is OnDemand:
        return pick(r, (name,)) is not MISSING
    return name in record_of(r)


def remove(r: Value, names: Value, /) -> Value:
    """remove(r, names): Return a record without some fields. `names` is a name or a list of names.

    remove({ a = 1, b = 2 }, "a") == { b = 2 }
    """
    names = evaluated(names)
    if names.__class__ is not str and names.__class__ is not list:
        raise wrong_type(names, "a name or a list of names")
    gone = {names} if names.__class__ is str else set(strings_of(names))
    return {name: value for name, value in record_of(r).items() if name not in gone}


def map_record(r: Value, f: Value, /) -> Value:
    """map-record(r, f): Replace each value of a record by f(name, value). Each result is computed when it is needed.

    map-record({ a = 1 }, (name, value) => "${name}=${value}") == { a = "a=1" }
    """
    f = function_of(f, 2)
    return {name: Thunk(lambda name=name, value=value: f(name, value)) for name, value in record_of(r).items()}


def to_record(xs: Value, /) -> Value:
    """to-record(xs): Convert a list of { name, value } to a record.

    to-record([{ name = "a", value = 1 }]) == { a = 1 }
    """
    found: dict[str, Value] = {}
    for i, x in enumerate(list_of(xs)):
        item = evaluated(x)
        if not isinstance(item, dict):
            raise ArgumentError(evaluated(xs), f"takes a list of records, and element {i} is {describe(item)}")
        if fields(item).keys() != {"name", "value"}:
            raise Fault(
                "`to-record` takes records of `name` and `value`", why=f"the record of element {i} {_has(item)}"
            )
        name = text_of(item["name"])
        if name in found:
            raise Fault(f"Two elements of the list are named {quote(name)}")
        found[name] = item["value"]
    return found


def _has(record: dict[str, Value]) -> str:
    """Return the names of a record's fields for a message, at most _SHOWN of them."""
    shown = ", ".join(map(quote, sorted(record)[:_SHOWN]))
    more = f" and {len(record) - _SHOWN} more" if len(record) > _SHOWN else ""
    return f"has {shown}{more}" if record else "is empty"


def merge(*records: Value) -> Value:
    """merge(a, b, ...): Merge records. The field of the last record wins; if both values are records, they are merged
    in turn. Packages and derivations are replaced as a whole. A value is computed when it is needed.

        merge({ a = { x = 1 }, b = 1 }, { a = { y = 2 } }) == { a = { x = 1, y = 2 }, b = 1 }
    """
    result: dict[str, Value] = {}
    for record in records:
        result = _merged(result, record_of(record))
    return result


def _merged(a: dict[str, Value], b: dict[str, Value]) -> dict[str, Value]:
    """Return a record with the fields of both. Two records are merged in turn; other values of `b` override `a`'s."""
    result = dict(a)
    for name, value in b.items():
        old = result.get(name, MISSING)
        if old.__class__ is Thunk or value.__class__ is Thunk:
            value = value if old is MISSING else Thunk(partial(_either, old, value))
        elif _is_plain(old) and _is_plain(value):
            value = _merged(old, value)
        result[name] = value
    return result


def _either(old: Value, value: Value) -> Value:
    """Return the merged value of a field that both records have; `old` is not evaluated if `value` replaces it."""
    value = evaluated(value)
    if not _is_plain(value):
        return value
    old = evaluated(old)
    return _merged(old, value) if _is_plain(old) else value


def _is_plain(value: Value) -> bool:
    return isinstance(value, dict) and value.__class__ is not OnDemand and "type" not in value


def on_demand(what: Value, f: Value, /) -> Value:
    """on-demand(what, f): Return a record whose field NAME is f(NAME), computed when the field is selected. `what`
    describes the record in messages. The fields cannot be listed.

        on-demand("squares", name => to-int(name) * to-int(name))."12" == 144
    """
    return OnDemand(text_of(what), function_of(f, 1))
