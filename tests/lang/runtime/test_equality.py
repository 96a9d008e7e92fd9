"""Equality of values that contain themselves or share parts, and the equal results of equal records."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.lang.evaluator import Evaluator
from hypothesis import given
from hypothesis import strategies as st

EVALUATOR = Evaluator(library=[])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("let a = [a] in a == a", True),
        ("let a = [a], b = [b] in a == b", True),
        ("let a = [[a]], b = [b] in a == b", True),
        ("let a = [a, 1], b = [b, 2] in a == b", False),
        ("let a = [1, b], b = [2, a] in a == b", False),
        ("let a = { x = a }, b = { x = b } in a == b", True),
        ("let a = { x = a, y = 1 }, b = { x = b, y = 2 } in a == b", False),
        ("let a = { x = [a] }, b = { x = [b] } in [a] == [b]", True),
        ("let a = [a], b = [[[[b]]]] in contains([b], a)", True),
        ("let a = [a], b = [b] in length(unique([a, b])) == 1", True),
        ("(x => x) == (x => x)", False),
        ("let f = x => x in f == f", True),
    ],
)
def test_values_that_contain_themselves(text: str, same: bool) -> None:
    assert EVALUATOR.expression(text) is same


@pytest.mark.parametrize(("last", "same"), [(1, True), (2, False)])
@pytest.mark.parametrize("both", ["[x, x]", "{ a = x, b = x }"])
def test_shared_parts_are_compared_once(both: str, last: int, same: bool) -> None:
    """Compared at each place where they are, 60 levels would take 2^60 comparisons."""
    text = f"let g(n, x) = if n == 0 then x else g(n - 1, {both}) in g(60, 1) == g(60, {last})"
    assert EVALUATOR.expression(text) is same


# ---- equal records

NAMES = st.text("abcdeXYZ", min_size=1, max_size=3)
# Whatever iterates over a record r: the order in which its fields are written must not show.
ITERATIONS = [
    "names(r)", "values(r)", '["${k}=${v}" for k, v in r]', "[k for k, _ in r]", "to-json(r)", "length(r)",
    "[[k, l] for k, v in r for l, w in r]", "to-json(map-record(r, (k, v) => v))",
    "[k for k, _ in map-record(r, (k, v) => v)]", '[k for k, _ in remove(r, "a")]', "[k for k, _ in { ...r, a = 1 }]",
    "[k for k, _ in merge(r, { a = 1 })]", "[k for k, _ in { ...r, a = 0 }.with { a = 1 }]",
    "[k for k, _ in r.extend { zz = 1 }]",
    "[k for k, _ in { ${k} = 1 for k, _ in r }]", "[k for k, _ in from-json(to-json(r))]",
    "[e.name for e in import(\"fpack/records\").pairs(r)]", "((...x) => 1)(1)",
    'import("fpack/records").select(r, (k, v) => true)', "mentions(r)",
    "derivation { kind = \"k\", name = \"n\", a = r }.out",
]  # fmt: skip
ITERATIONS.remove("((...x) => 1)(1)")


@given(st.dictionaries(NAMES, st.integers(0, 9), max_size=6), st.randoms())
def test_equal_records_give_equal_values(record: dict[str, int], random: Any) -> None:
    pairs = list(record.items())
    random.shuffle(pairs)

    def written(items: Any) -> str:
        return "{ " + ", ".join(f"{k} = {v}" for k, v in items) + " }"

    for text in ITERATIONS:
        same = f"let f(r) = {text} in f({written(record.items())}) == f({written(pairs)})"
        assert EVALUATOR.expression(same) is True, same
