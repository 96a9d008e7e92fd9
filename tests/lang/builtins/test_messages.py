"""`trace` and `warn`: what they print, when, and that they change no value."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def evaluator(said: list[tuple[str, str]], cache: Path) -> Evaluator:
    return Evaluator(cache=cache, messages=lambda kind, text: said.append((kind, text)))


def test_the_message_has_the_place_of_the_call(evaluator: Evaluator, said: list[tuple[str, str]]) -> None:
    assert evaluator.expression('let f(x) =\n  trace("in f", x) in f(1) + 1') == 2
    assert said == [("trace", "<command line>:2:3: in f")]
    assert evaluator.has_messages


def test_any_value_can_be_traced(evaluator: Evaluator, said: list[tuple[str, str]]) -> None:
    evaluator.expression('trace({ b = [1, null], a = x => x, p = ./x, d = text("n", "") }, 0)')
    kind, text = said[0]
    assert kind == "trace" and '"a": "a function"' in text and '"b": [1, null]' in text and "/fpack/store/" in text
    evaluator.expression("let a = [a] in trace(a, 0)")
    evaluator.expression("trace(range(5000), 0)")
    assert all(len(text) < 2100 for _, text in said)


def test_a_message_comes_when_its_value_is_computed(evaluator: Evaluator, said: list[tuple[str, str]]) -> None:
    assert evaluator.expression('length([trace("never", 1), 2])') == 2 and not said
    assert evaluator.expression('let a = trace("once", 1) in a + a') == 2 and len(said) == 1
    with pytest.raises(EvalError, match="broken"):
        evaluator.expression('trace("before", error("broken"))')
    assert said[-1][1].endswith("before")


def test_a_warning_of_one_place_is_given_once(evaluator: Evaluator, said: list[tuple[str, str]]) -> None:
    text = 'let f(x) = warn("old", x) in [f(1), f(2), warn("old", 3)]'
    assert evaluator.force(evaluator.expression(text), deep=True) == [1, 2, 3]
    assert [kind for kind, _ in said] == ["warning", "warning"]
    with pytest.raises(EvalError, match="takes a string"):
        evaluator.expression("warn(5, 1)")


def test_no_message_is_needed() -> None:
    silent = Evaluator(library=[])
    assert silent.expression('trace("x", warn("y", 5))') == 5 and silent.has_messages
