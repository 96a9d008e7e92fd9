"""Evaluate and check the arguments of builtins."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from fpack.lang.errors import Fault, quote

from .operators import fields
from .values import INT_MAX, INT_MIN, Value, describe, evaluated

_STRINGS = {str}
INT_RANGE = "integers have 64 bits"
_SHOWN_BITS = 200  # a longer number is not written in messages
_VARIADIC = 0x04  # the flag of a code object that takes `*args`


class ArgumentError(Fault):
    """An argument that its builtin does not accept.

    argument: the argument itself; its identity gives the error's position in the call. text: the message after the
    builtin's name.
    """

    def __init__(self, argument: Value, text: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(f"This function {text}", why=why, hint=hint)
        self.argument = argument
        self.text = text


def wrong_type(value: Value, wanted: str, hint: str = "") -> ArgumentError:
    """Return the error for an argument of the wrong type. wanted: the accepted types, in words."""
    return ArgumentError(value, f"takes {wanted}, and this is {describe(value)}", hint=hint)


def list_of(value: Value) -> list[Value]:
    """Return the list that an argument evaluates to; raise ArgumentError for any other type."""
    value = evaluated(value)
    if value.__class__ is list:
        return value
    hint = "values(RECORD) are its fields' values, names(RECORD) their names" if isinstance(value, dict) else ""
    raise wrong_type(value, "a list", hint)


def text_of(value: Value) -> str:
    """Return the string that an argument evaluates to; raise ArgumentError for any other type."""
    value = evaluated(value)
    if value.__class__ is str:
        return value
    hint = 'write "${VALUE}" for its text' if value.__class__ in (int, float, bool) else ""
    raise wrong_type(value, "a string", hint)


def int_of(value: Value) -> int:
    """Return the integer that an argument evaluates to; raise ArgumentError for any other type."""
    value = evaluated(value)
    if value.__class__ is int:
        return bounded(value)
    hint = "to-int(STRING) converts a string to a number" if value.__class__ is str else ""
    raise wrong_type(value, "an int", hint)


def bounded(value: int) -> int:
    """Return `value`; raise Fault if it does not fit into 64 bits.

    Sums are not checked when they are computed. The conversion of a huge integer to text would take hours.
    """
    if INT_MIN <= value <= INT_MAX:
        return value
    shown = f"The number {value}" if value.bit_length() <= _SHOWN_BITS else "This number"
    raise Fault(f"{shown} is too large", why=INT_RANGE)


def number_of(value: Value) -> int | float:
    """Return the number that an argument evaluates to; raise ArgumentError for any other type."""
    value = evaluated(value)
    if value.__class__ is float:
        return float(value)
    if value.__class__ is int:
        return bounded(value)
    hint = "to-int(STRING) and to-float(STRING) convert a string to a number" if value.__class__ is str else ""
    raise wrong_type(value, "a number", hint)


def record_of(value: Value) -> dict[str, Value]:
    """Return the record that an argument evaluates to; raise an error for any other type or for an unlistable set."""
    value = evaluated(value)
    if not isinstance(value, dict):
        raise wrong_type(value, "a record")
    return fields(value)


def function_of(value: Value, takes: int) -> Callable[..., Value]:
    """Return the function that an argument evaluates to; raise an error if it cannot take `takes` arguments."""
    value = evaluated(value)
    if value.__class__ is not FunctionType:
        hint = "write x => EXPRESSION" if takes == 1 else "write (a, b) => EXPRESSION"
        raise wrong_type(value, "a function", hint)
    check_arity(value, takes)
    return value


def check_arity(function: FunctionType, takes: int, caller: str = "") -> None:
    """Raise an error if a function cannot be called with `takes` arguments.

    caller: the name of what calls the function, if it is not a builtin.
    """
    code = function.__code__
    most = code.co_argcount
    least = most - len(function.__defaults__ or ())
    if takes < least or (takes > most and not code.co_flags & _VARIADIC):
        names = ", ".join("{ ... }" if n.startswith(".") else n for n in code.co_varnames[:most])
        number = "one argument" if takes == 1 else f"{takes} arguments"
        text = f"calls this function with {number}, and it takes ({names})"
        raise Fault(f"{quote(caller)} {text}") if caller else ArgumentError(function, text)


def strings_of(value: Value) -> list[str]:
    """Return the list of strings that an argument evaluates to; raise ArgumentError for anything else."""
    items = list_of(value)
    if set(map(type, items)) <= _STRINGS:
        return items
    found = [evaluated(item) for item in items]
    for i, item in enumerate(found):
        if item.__class__ is not str:
            raise ArgumentError(evaluated(value), f"takes a list of strings, and element {i} is {describe(item)}")
    return found


def check_bool(value: Value) -> bool:
    """Return the result of a function that must return true or false; raise Fault for anything else."""
    if value.__class__ is not bool:
        raise Fault(f"The function must return true or false here, and it returned {describe(value)}")
    return bool(value)


def check_list(value: Value) -> list[Value]:
    """Return the result of a function that must return a list; raise Fault for anything else."""
    if value.__class__ is not list:
        raise Fault(f"The function must return a list here, and it returned {describe(value)}")
    return value
