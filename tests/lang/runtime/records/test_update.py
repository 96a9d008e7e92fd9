"""Records made anew: what each change costs, after however many others."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime.records import call_layers, layers

MADE = {
    "by a function": "let f({ a, b = a }) = { a, b } in f { a = 0 }",
    "of a derivation": 'let f({ a }) = derivation { kind = "text", name = "x", a } in f { a = 0 }',
    "of fields that see each other": "{ a = 0, b = a }",
    "plain": "{ a = 0 }",
}


def count_of(monkeypatch: pytest.MonkeyPatch, evaluate: str) -> int:
    """Return how many records were taken apart and calls repeated in an evaluation, which must be true."""
    calls = 0

    def counted(function: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(*args)

        return call

    monkeypatch.setattr(layers, "flatten", counted(layers.flatten))
    monkeypatch.setattr(call_layers, "flatten", counted(call_layers.flatten))
    monkeypatch.setattr(call_layers, "called_again", counted(call_layers.called_again))
    evaluator = Evaluator()
    assert evaluator.to_json(evaluator.expression(evaluate)) is True
    return calls


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_repeated_changes_take_linear_time(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"fold(range(1, 51), ({made}), (r, n) => r.with {{ a = n }}) == ({made}).with {{ a = 50 }}"
    assert count_of(monkeypatch, text) <= 51 * 3


@pytest.mark.parametrize("made", ["{ a = 0 }", "{ a = 0, b = a }", "{ ...{ a = 0, b = a }, ...{ c = 1 } }"])
def test_layers_are_laid_in_one_pass(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = (
        f"fold(range(200), ({made}), (r, n) => r.extend((old, new) => {{ a = old.a + 1, ${{to-string(n)}} = n }})).a"
    )
    assert count_of(monkeypatch, f"{chain} == 200") <= 8


def test_old_of_a_layer_is_a_record() -> None:
    evaluator = Evaluator()
    text = """[
      { a = 1, b = a }.extend(old => { c = names(old), d = has(old, "b"), e = has(old, "c"), f = old.x or 7 }),
      { a = 1, b = a }.with(old => { ...old, a = 5 }),
      { a = 1, b = a }.extend((old, new) => { below = old, all = length(names(new)) }),
      { a = 1, b = 2 }.with(old => { a = { ...old, c = 3 } }).with { b = 4 },
    ]"""
    assert evaluator.to_json(evaluator.expression(text)) == [
        {"a": 1, "b": 1, "c": ["a", "b"], "d": True, "e": False, "f": 7},
        {"a": 5, "b": 5},
        {"a": 1, "b": 1, "below": {"a": 1, "b": 1}, "all": 4},
        {"a": {"a": 1, "b": 2, "c": 3}, "b": 4},
    ]


def test_defaults_that_depend_on_types_of_other_fields_are_no_cycle() -> None:
    """A typed parameter is evaluated by each call, but not by the call that `old` makes for a default."""
    evaluator = Evaluator()
    made = 'f({ a: list = [], b: list = [], c: string = "c" }) = { a, b, c, d = length(a) }'
    wrapped = "g({ n: int = 1, ...given }) = f { ...given, a = [...given.a or [], n], b = [...given.b or [], n] }"
    change = '.with(old => { a = [...old.a, 8], b = [...old.b, 9], c = old.c + "x" })'
    text = f"let {made}, {wrapped} in [(f {{}}){change}, (g {{}}){change}.with {{ n = 2 }}]"
    assert evaluator.to_json(evaluator.expression(text)) == [
        {"a": [8], "b": [9], "c": "cx", "d": 1},
        {"a": [2, 8, 2], "b": [2, 9, 2], "c": "cx", "d": 3},
    ]


def test_a_field_named_with_is_not_evaluated_early() -> None:
    evaluator = Evaluator()
    text = 'let change(r, n) = r.extend { with = error("asked for", "x" + n) } in length(change({ a = 1 }, 1))'
    assert evaluator.to_json(evaluator.expression(text)) == 2
