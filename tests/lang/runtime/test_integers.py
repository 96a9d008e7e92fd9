"""Integers have 64 bits: the same range for all that is written, read, shown, or given to a builtin or a build."""

from __future__ import annotations

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime.values import INT_MAX, INT_MIN
from fpack.store.errors import FpackError

LARGEST, SMALLEST = "9223372036854775807", "-9223372036854775808"
WITHIN = {LARGEST: INT_MAX, SMALLEST: INT_MIN, "0": 0}
BEYOND = ["9223372036854775808", "-9223372036854775809", "18446744073709551615", "1" + "0" * 30, "-1" + "0" * 30]

# How an integer comes in, from its digits.
SOURCES = {
    "literal": "{}",
    "from-json": 'from-json("{}")',
    "from-json, inside": 'head(from-json("[{}]"))',
    "from-yaml": 'from-yaml("{}")',
    "from-toml": 'from-toml("a = {}").a',
    "to-int": 'to-int("{}")',
}
# An integer that a sum has made too large, so that the use itself must refuse it.
SUM = {
    "9223372036854775808": f"({LARGEST} + 1)",
    "-9223372036854775809": f"({SMALLEST} - 1)",
}
USES = {
    "text": '"${%s}"',
    "text in a function": '(x => "${x}")(%s)',
    "to-string": "to-string(%s)",
    "to-json": "to-json([%s])",
    "a build": 'derivation { kind = "k", name = "n", a = [{ b = %s }] }',
    "range": "range(%s, %s)",
    "get": "get([1], %s)",
    "abs": "abs(%s)",
    "to-int": "to-int(%s)",
    "product": "%s * 1",
    "product in a function": "(x => x * 1)(%s)",
    "the value itself": "%s",
}


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(library=[])


@pytest.mark.parametrize("source", SOURCES)
def test_the_range_is_the_same_for_all_sources(evaluator: Evaluator, source: str) -> None:
    for digits, value in WITHIN.items():
        assert evaluator.expression(SOURCES[source].format(digits)) == value
    for digits in BEYOND:
        with pytest.raises(EvalError) as caught:
            evaluator.expression(SOURCES[source].format(digits))
        assert "64 bits" in caught.value.why, digits


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("digits", SUM)
def test_no_use_accepts_a_larger_one(evaluator: Evaluator, use: str, digits: str) -> None:
    with pytest.raises(FpackError) as caught:
        evaluator.to_json(evaluator.expression(USES[use].replace("%s", SUM[digits])))
    assert "64 bits" in caught.value.why
    for text in (LARGEST, SMALLEST):
        try:
            evaluator.to_json(evaluator.expression(USES[use].replace("%s", text)))
        except EvalError as error:
            assert use == "get" or (use == "abs" and text == SMALLEST), error


def test_sums_are_exact_on_the_way(evaluator: Evaluator) -> None:
    assert evaluator.expression(f"{LARGEST} + 1 - 1") == INT_MAX
    assert evaluator.expression(f"(x => x + 1 - 2)({LARGEST})") == INT_MAX - 1
    assert evaluator.expression(f"{LARGEST} + 1 > {LARGEST}") is True
    assert evaluator.expression(f"({LARGEST} + {LARGEST}) / 2") == INT_MAX


def test_floats_are_finite(evaluator: Evaluator) -> None:
    for text in ("1e999", 'from-json("1e999")', 'from-yaml("1e999")', 'from-toml("a = inf")', "1e308 * 10"):
        with pytest.raises(EvalError):
            evaluator.expression(text)


def test_long_integers_of_yaml_are_no_floats(evaluator: Evaluator) -> None:
    for text in ("1" * 30, "0x" + "f" * 30, "0o" + "7" * 30):
        with pytest.raises(EvalError, match="not valid YAML"):
            evaluator.expression(f'from-yaml("{text}")')
