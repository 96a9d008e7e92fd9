"""Classes of equal values: the same as by comparing each value with all others, and without doing so."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.builtins import distinct
from fpack.lang.runtime import equality_classes
from fpack.lang.runtime.equality_classes import EqualityClasses
from fpack.lang.runtime.operators import eq
from fpack.lang.runtime.values import Record, Thunk, evaluated
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "type", "out"])
ATOMS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 0.5, "", "1", "derivation"])


def derivation(out: Any, more: Any) -> Record:
    return Record({"type": "derivation", "out": out, "a": more})


VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner | inner.map(lambda v: Thunk(lambda: v)), max_size=3)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.builds(derivation, st.sampled_from(["x", "y"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=8), st.lists(VALUES, max_size=4))
def test_as_by_comparing_all(values: list[Any], others: list[Any]) -> None:
    wanted: list[Any] = []
    for value in values:
        if not any(eq(evaluated(value), evaluated(w)) for w in wanted):
            wanted.append(value)
    assert [id(v) for v in distinct.unique(values)] == [id(w) for w in wanted]
    classes = EqualityClasses()
    for value in values:
        classes.number(value)
    for other in others:
        assert (classes.find(other) is None) == (not any(eq(other, v) for v in values))
        assert classes.find(other) is None or classes.number(other) == classes.find(other)


@pytest.mark.parametrize(
    "value",
    [
        lambda i: i,
        lambda i: float(i),
        lambda i: [1, [i]],
        lambda i: {"a": 1, "b": {"c": [i]}},
        lambda i: derivation(str(i), 1),
    ],
)
def test_different_values_are_not_compared(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(equality_classes, "eq", lambda a, b: compared.append((a, b)) or eq(a, b))
    values = [value(i) for i in range(300)]
    assert distinct.unique([*values, *map(value, range(300))]) == values
    assert distinct.without(values, values[100:]) == values[:100]
    assert distinct.common(values, values[100:]) == values[100:]
    assert len(compared) <= 2 * 300


def test_derivations_whose_paths_are_not_evaluated_are_compared_by_them() -> None:
    one, same, other = (derivation(Thunk(lambda out=out: out), None) for out in "xxy")  # type: ignore[misc]
    assert eq(one, same) and not eq(one, other)
    one, same, other = (derivation(Thunk(lambda out=out: out), None) for out in "xxy")  # type: ignore[misc]
    assert distinct.unique([one, same, other]) == [one, other]


def test_a_closure_asks_for_each_element_once() -> None:
    asked: list[int] = []

    def further(n: int) -> list[int]:
        asked.append(n)
        return [n + k for k in range(1, 50) if n + k < 200]

    assert distinct.closure([0], further) == list(range(200))
    assert asked == list(range(200))
