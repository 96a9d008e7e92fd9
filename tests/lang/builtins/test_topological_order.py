"""Names come after those that they need."""

from __future__ import annotations

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given
from hypothesis import strategies as st

EVALUATOR = Evaluator(library=[])
run = EVALUATOR.expression


def written(graph: dict[str, list[str]]) -> str:
    return "{ " + ", ".join(f"{k} = [{', '.join(map(repr, v))}]" for k, v in graph.items()).replace("'", '"') + " }"


@given(st.permutations("abcdef"), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_each_name_comes_after_what_it_needs(names: list[str], edges: set[tuple[int, int]]) -> None:
    graph = {name: [names[j] for i, j in sorted(edges) if i == n and j < i] for n, name in enumerate(names)}
    order = run(f"toposort({written(graph)})")
    assert sorted(order) == sorted(names)
    assert all(order.index(other) < order.index(name) for name in names for other in graph[name])
    assert order == run(f"toposort({written(dict(sorted(graph.items())))})")
    if not any(graph.values()):
        assert order == sorted(names)


def test_a_long_chain() -> None:
    text = 'toposort({ ${"n${i}"} = if i == 0 then [] else ["n${i - 1}"] for i in range(20000) })'
    assert run(f"head({text})") == "n0"


@pytest.mark.parametrize(
    ("graph", "message", "why"),
    [
        ('{ a = ["a"] }', "`a` needs itself", "`a` needs `a`"),
        ('{ a = ["b"], b = ["c"], c = ["b"] }', "`b` needs itself", "`b` needs `c` needs `b`"),
        ('{ app = ["dbb"], db = [] }', "`app` needs `dbb`", ""),
        ("{ a = [1] }", "list of strings", ""),
        ('["a"]', "takes a record", ""),
    ],
)
def test_what_has_no_order_is_an_error(graph: str, message: str, why: str) -> None:
    with pytest.raises(EvalError, match=message) as caught:
        run(f"toposort({graph})")
    assert caught.value.why == why
