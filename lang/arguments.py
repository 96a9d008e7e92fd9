"""What builtins ask of their arguments: each function evaluates one and refuses what it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from .errors import Fault
from .operators import fields
from .values import Value, describe, evaluated

MAX_BITS = 64


def wrong(value: Value, wanted: str) -> Fault:
    """The fault of an argument that is something else than `wanted`."""
    return Fault(f"This takes {wanted}, and was given {describe(value)}")


def list_of(value: Value) -> list[Value]:
    """A list argument."""
    value = evaluated(value)
    if value.__class__ is list:
        return value
    raise wrong(value, "a list")


def text_of(value: Value) -> str:
    """A string argument."""
    value = evaluated(value)
    if value.__class__ is str:
        return value
    raise wrong(value, "a string")


def int_of(value: Value) -> int:
    """An integer argument."""
    value = evaluated(value)
    if value.__class__ is int:
        return bounded(value)
    raise wrong(value, "an int")


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


def function_of(value: Value) -> Callable[..., Value]:
    """A function argument."""
    value = evaluated(value)
    if value.__class__ is FunctionType:
        return value
    raise wrong(value, "a function")


def strings_of(value: Value) -> list[str]:
    """A list of strings."""
    return [text_of(item) for item in list_of(value)]


def true(value: Value) -> bool:
    """What a function gave that must give true or false."""
    if value.__class__ is not bool:
        raise Fault(f"The function gives true or false here, and it gave {describe(value)}")
    return bool(value)
