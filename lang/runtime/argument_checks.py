"""What builtins ask of their arguments: each function evaluates one and refuses what it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from fpack.lang.errors import Fault, quote

from .operators import fields
from .values import Value, describe, evaluated

MAX_BITS = 64
_STRINGS = {str}
_VARIADIC = 0x04  # a code object's flag for `*args`


class Unfit(Fault):
    """An argument that its builtin cannot take.

    given: the argument; it is found among those of the call, to point to it. text: what is wrong, to follow the
    builtin's name.
    """

    def __init__(self, given: Value, text: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(f"This function {text}", why=why, hint=hint)
        self.given = given
        self.text = text


def wrong(value: Value, wanted: str, hint: str = "") -> Unfit:
    """The fault of an argument that is something else than `wanted`."""
    return Unfit(value, f"takes {wanted}, and this is {describe(value)}", hint=hint)


def list_of(value: Value) -> list[Value]:
    """A list argument."""
    value = evaluated(value)
    if value.__class__ is list:
        return value
    hint = "values(RECORD) are its fields' values, names(RECORD) their names" if isinstance(value, dict) else ""
    raise wrong(value, "a list", hint)


def text_of(value: Value) -> str:
    """A string argument."""
    value = evaluated(value)
    if value.__class__ is str:
        return value
    hint = 'write "${VALUE}" for its text' if value.__class__ in (int, float, bool) else ""
    raise wrong(value, "a string", hint)


def int_of(value: Value) -> int:
    """An integer argument."""
    value = evaluated(value)
    if value.__class__ is int:
        return bounded(value)
    hint = "to-int(STRING) is the number that it spells" if value.__class__ is str else ""
    raise wrong(value, "an int", hint)


def bounded(value: int) -> int:
    """`value`, if it has 64 bits. Sums may have more for a while; as text, some would take hours."""
    if value.bit_length() > MAX_BITS:
        raise Fault("This number is too large", why="integers have 64 bits")
    return value


def record_of(value: Value) -> dict[str, Value]:
    """A record argument whose fields can be listed."""
    value = evaluated(value)
    if not isinstance(value, dict):
        raise wrong(value, "a record")
    return fields(value)


def function_of(value: Value, takes: int) -> Callable[..., Value]:
    """A function argument that can be called with so many arguments."""
    value = evaluated(value)
    if value.__class__ is not FunctionType:
        hint = "write x => EXPRESSION" if takes == 1 else "write (a, b) => EXPRESSION"
        raise wrong(value, "a function", hint)
    check_arity(value, takes)
    return value


def check_arity(function: FunctionType, takes: int, whom: str = "") -> None:
    """Refuse a function that cannot be called with so many arguments. whom: what calls it, if it is no builtin."""
    code = function.__code__
    most = code.co_argcount
    least = most - len(function.__defaults__ or ())
    if takes < least or (takes > most and not code.co_flags & _VARIADIC):
        names = ", ".join("{ ... }" if n.startswith(".") else n for n in code.co_varnames[:most])
        number = "one argument" if takes == 1 else f"{takes} arguments"
        text = f"calls this function with {number}, and it takes ({names})"
        raise Fault(f"{quote(whom)} {text}") if whom else Unfit(function, text)


def strings_of(value: Value) -> list[str]:
    """A list of strings."""
    given = list_of(value)
    if set(map(type, given)) <= _STRINGS:
        return given
    found = [evaluated(item) for item in given]
    for i, item in enumerate(found):
        if item.__class__ is not str:
            raise Unfit(evaluated(value), f"takes a list of strings, and element {i} is {describe(item)}")
    return found


def true(value: Value) -> bool:
    """What a function gave that must give true or false."""
    if value.__class__ is not bool:
        raise Fault(f"The function gives true or false here, and it gave {describe(value)}")
    return bool(value)
