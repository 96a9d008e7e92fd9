"""Records made anew: what each change costs, after however many others."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import record_update

MADE = {
    "by a function": "let f({ a, b = a }) = { a, b } in f { a = 0 }",
    "of a derivation": 'let f({ a }) = derivation { kind = "text", name = "x", a } in f { a = 0 }',
    "of fields that see each other": "{ a = 0, b = a }",
    "plain": "{ a = 0 }",
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_repeated_changes_take_linear_time(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    with_changes = record_update.with_changes

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return with_changes(*args)

    monkeypatch.setattr(record_update, "with_changes", counted)
    evaluator = Evaluator()
    changed = evaluator.expression(
        f"fold(range(1, 51), ({made}), (r, n) => r.with {{ a = n }}) == ({made}).with {{ a = 50 }}"
    )
    assert evaluator.to_json(changed) is True
    assert calls <= 51 * 3


def test_a_field_named_with_is_not_evaluated_early() -> None:
    evaluator = Evaluator()
    text = 'let change(r, n) = r.with { with = error("asked for", "x" + n) } in length(change({ a = 1 }, 1))'
    assert evaluator.to_json(evaluator.expression(text)) == 2
