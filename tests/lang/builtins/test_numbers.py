"""Remainders, rounding and conversions agree with exact arithmetic."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given
from hypothesis import strategies as st

EVALUATOR = Evaluator(library=[])
run = EVALUATOR.expression


@given(st.integers(-1000, 1000), st.integers(-50, 50).filter(bool))
def test_the_remainder_belongs_to_the_quotient(a: int, b: int) -> None:
    assert run(f"{a} / {b} * {b} + mod({a}, {b}) == {a}") is True
    assert abs(run(f"mod({a}, {b})")) < abs(b)


@given(st.floats(-1e15, 1e15) | st.integers(-99, 99).map(lambda n: n / 2))
def test_rounding_is_exact(x: float) -> None:
    exact = Decimal(x)
    for name, way in (("floor", ROUND_FLOOR), ("ceil", ROUND_CEILING), ("round", ROUND_HALF_UP)):
        assert run(f"{name}({x!r})") == int(exact.to_integral_value(way)), name
        assert run(f"type({name}({x!r}))") == "int"


def test_integers_stay() -> None:
    assert run("map([5, -5], x => [floor(x), ceil(x), round(x)]) == [[5, 5, 5], [-5, -5, -5]]") is True
    assert run("round(0.49999999999999994)") == 0 and run("round(4503599627370497.5)") == 4503599627370498


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_read_back(x: float) -> None:
    assert run(f'to-float("{x!r}") == {x!r}') is True
    assert run(f'to-float("${{{x!r}}}")') == x


@pytest.mark.parametrize(
    "call",
    ["mod(1, 0)", "mod(1.5, 1)", 'mod("1", 1)', "floor(null)", "ceil([])", "floor(1e300)", 'round("2.5")']
    + [f'to-float("{text}")' for text in ("", " 1", "1.", ".5", "+1", "0x1", "inf", "nan", "1e999", "1_0", "١")]
    + ["to-float(null)", "to-float(true)", "floor(9223372036854775807 + 1)"],
)
def test_others_are_errors(call: str) -> None:
    with pytest.raises(EvalError):
        run(call)
