"""Define the builtins for numbers. The docstrings are user documentation, as in lists.py."""

from __future__ import annotations

from math import ceil, floor, isfinite

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.argument_checks import ArgumentError, bounded, int_of, number_of, wrong_type
from fpack.lang.runtime.values import Value, evaluated

_FLOAT = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"  # compiled when it is used


def mod(a: Value, b: Value, /) -> Value:
    """mod(a, b): Return the remainder of the integer division a / b. It has the sign of `a`, because `/` rounds toward
    zero: a / b * b + mod(a, b) == a.

        mod(7, 3) == 1
        mod(-7, 3) == -1
    """
    x, y = int_of(a), int_of(b)
    if y == 0:
        raise Fault("Division by zero")
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


def floor_(x: Value, /) -> Value:
    """floor(x): Return the largest integer that is not above a number.

    floor(2.7) == 2
    floor(-2.1) == -3
    """
    return bounded(floor(number_of(x)))


def ceil_(x: Value, /) -> Value:
    """ceil(x): Return the smallest integer that is not below a number.

    ceil(2.1) == 3
    """
    return bounded(ceil(number_of(x)))


def round_(x: Value, /) -> Value:
    """round(x): Return the nearest integer to a number. Halves are rounded away from zero.

    round(2.5) == 3
    round(-2.5) == -3
    round(2.4) == 2
    """
    n = number_of(x)
    size = floor(abs(n))
    size += abs(n) - size >= 0.5
    return bounded(-size if n < 0 else size)


def to_float(s: Value, /) -> Value:
    """to-float(s): Convert a string or an integer to a float.

    to-float("2.50") == 2.5
    type(to-float(2)) == "float"
    """
    s = evaluated(s)
    if s.__class__ is str:
        import re

        value = float(s) if re.fullmatch(_FLOAT, s) else None
        if value is None or not isfinite(value):
            raise ArgumentError(s, f"takes the digits of a number, and this is {quote(s)}")
        return value
    if s.__class__ is float or s.__class__ is int:
        return float(number_of(s))
    raise wrong_type(s, "a string or a number")


def abs_(n: Value, /) -> Value:
    """abs(n): Return the absolute value of a number.

    abs(-2) == 2
    """
    n = abs(number_of(n))
    return n if n.__class__ is float else bounded(int(n))
