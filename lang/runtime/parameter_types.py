"""Check arguments against the types of parameters, and describe mismatches.

A type is a name from `syntax.tree.TYPES`, or a tuple of types for a list whose elements have one of those types. A
parameter has a tuple of types; an argument must match one of them. Below, `name` is that of the parameter, and
`function` that of its function, "" for one without a name; both are for messages.
"""

from __future__ import annotations

from functools import partial

from fpack.lang.errors import Fault, quote
from fpack.light_typing import Any

from .values import OnDemand, Thunk, Value, describe, evaluated, type_name, unchecked, with_article

Type = str | tuple[Any, ...]

_PLURALS = {
    "null": "nulls", "bool": "bools", "int": "ints", "float": "floats", "number": "numbers", "string": "strings",
    "path": "paths", "list": "lists", "record": "records", "function": "functions", "package": "packages",
    "derivation": "derivations", "any": "values",
}  # fmt: skip


def check(value: Value, types: tuple[Type, ...], name: str, function: str) -> Value:
    """Return the evaluated argument; raise Fault if it matches none of its parameter's types."""
    value = evaluated(value)
    kind = type_name(value)
    if kind in types or fits(value, kind, types):
        return value
    whose = f" of {quote(function)}" if function else ""
    what = f"The argument {quote(name)}{whose} is {wanted(types)}, and "
    at = _misfit(value, types) if kind == "list" else None
    if at is not None:
        what += f"element {at} of it is {describe(evaluated(value[at]))}"
    else:
        what += f"this is {describe(value)}"
    raise Fault(what, hint=_instead(value, kind, types, name), field=name, value=True, part=at, caller=True)


def check_field(value: Value, types: tuple[Type, ...], name: str, function: str) -> Value:
    """Return an argument as `check` does, or unevaluated if it is a field of a `Tentative` record (values.py)."""
    if value.__class__ is Thunk:
        contents = value.cell_contents
        if contents.__class__ is partial and contents.func is unchecked:
            return value
    return check(value, types, name, function)


def check_default(value: Value, types: tuple[Type, ...], name: str, function: str) -> Value:
    """Return the evaluated default of a parameter; raise Fault if it matches none of the parameter's types."""
    kind = type_name(value)
    if fits(value, kind, types):
        return value
    at = _misfit(value, types) if kind == "list" else None
    given = describe(value) if at is None else describe(evaluated(value[at]))
    what, hint = default_misfit(name, types, function, given, at)
    raise Fault(what, hint=hint)


def default_misfit(
    name: str, types: tuple[Type, ...], function: str, given: str, element: int | None
) -> tuple[str, str]:
    """Return the message and the hint for a default of the wrong type.

    given: the type of the default, or of its first element that does not match, whose index is `element`.
    """
    given = with_article(given) if given in _PLURALS else given
    whose = f" of {quote(function)}" if function else ""
    part = "this" if element is None else f"element {element} of it"
    hint = f"write {name}: {wanted_syntax((*types, 'null'))} = null" if given == "null" and element is None else ""
    return f"The default of {quote(name)}{whose} is {wanted(types)}, and {part} is {given}", hint


def wanted_syntax(types: tuple[Type, ...]) -> str:
    """Return types as they are written: `string | null`, `[string]`."""
    return " | ".join(t if isinstance(t, str) else f"[{wanted_syntax(t)}]" for t in types)


def fits(value: Value, kind: str, types: tuple[Type, ...]) -> bool:
    """Return whether an evaluated value of type `kind` matches one of the types. Evaluates the elements of lists."""
    if kind in types or "any" in types:
        return True
    if kind in ("int", "float"):
        return "number" in types
    if kind == "record":
        return _type_field(value) in types
    if kind == "list":
        return any(t.__class__ is tuple and _first_other(value, t) is None for t in types)
    return False


def _type_field(value: dict[str, Value]) -> str:
    """Return the string in a record's field `type`, such as `package` or `derivation`; "" if there is none."""
    if value.__class__ is OnDemand:  # a set of packages; a package in it may be called `type`
        return ""
    kind = evaluated(value.get("type"))
    return kind if kind.__class__ is str else ""


def wanted(types: tuple[Type, ...]) -> str:
    """Return the types in words: `a string or null`, `a list of strings`."""
    return " or ".join(_one(t) for t in types)


def _one(t: Type) -> str:
    """Return a type in words, in the singular: `a string`, `a list of paths`."""
    if isinstance(t, str):
        return "any value" if t == "any" else with_article(t)
    return f"a list of {_many(t)}"


def _many(types: tuple[Type, ...]) -> str:
    """Return types in words, in the plural: `strings or nulls`."""
    return " or ".join(_PLURALS[t] if isinstance(t, str) else f"lists of {_many(t)}" for t in types)


def _first_other(value: list[Value], types: tuple[Type, ...]) -> int | None:
    """Return the index of the first element that matches none of the types, or None."""
    for i, item in enumerate(value):
        item = evaluated(item)
        if not fits(item, type_name(item), types):
            return i
    return None


def _misfit(value: list[Value], types: tuple[Type, ...]) -> int | None:
    """Return the index of the first element that does not match, if exactly one list type is accepted, else None.

    With several list types, no single element is to blame.
    """
    lists = [t for t in types if isinstance(t, tuple)]
    return _first_other(value, lists[0]) if len(lists) == 1 else None


def _instead(value: Value, kind: str, types: tuple[Type, ...], name: str) -> str:
    """Return a hint that shows how to write an argument of an accepted type; "" if there is no obvious way."""
    lists = [t for t in types if isinstance(t, tuple)]
    if ("list" in types or lists) and kind != "list":
        return f"write {name} = [...]"
    if lists and kind == "list" and lists[0] == ("path",):
        return "paths are written without quotes: ./FILE"
    if "record" in types and kind == "list":
        return f"write {name} = {{ NAME = VALUE }}"
    if "string" in types and kind == "int":
        return f'write {name} = "{value}"'
    if "string" in types and kind == "float":  # its digits may differ from those in the text: 1.10
        return f"write the value of {name} in quotes"
    if "string" in types and kind in ("path", "record"):
        return f'write {name} = "${{VALUE}}" for its path in the store'
    if "int" in types and kind == "string" and value.isdecimal():
        return f"write {name} = {value}"
    if "bool" in types and kind == "string" and value in ("true", "false", "yes", "no"):
        return f"write {name} = {'true' if value in ('true', 'yes') else 'false'}"
    if "path" in types and kind == "string":
        return f"a path is written without quotes: {name} = ./FILE"
    if "package" in types and kind == "string":
        return 'take the package itself: import("fpack/debian").trixie.NAME'
    return ""


# The functions that generated code calls, by the names that it has for them.
RUNTIME: dict[str, Any] = {".check": check, ".check-field": check_field, ".check-default": check_default}
