"""Texts with thousands of names: no generated function has many variables, which Python's compiler needs time for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from fpack.lang.builtins.table import STRICT
from fpack.lang.compiler.compiler import compile_tree
from fpack.lang.compiler.scope import Scope, Variable
from fpack.lang.compiler.wide_lets import MAX_NAMES
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import deep_stack
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source

COUNT = 1000


def wide(first: str, value: str, more: str = "") -> str:
    """Return a `let` of COUNT names, each of which uses the one before."""
    lines = [f"a{i} = {value.format(f'a{i - 1}') if i else first}" for i in range(COUNT)]
    return "let\n  " + "\n  ".join([*lines, more]) + f"\nin a{COUNT - 1}"


def nested(first: str, value: str) -> str:
    """As `wide`, each name in a `let` of its own."""
    lines = [f"let a{i} = {value.format(f'a{i - 1}') if i else first} in" for i in range(COUNT)]
    return "let f(x) = { v = x } in " + "\n".join(lines) + f" a{COUNT - 1}"


TEXTS = {
    "numbers": (wide("1", "{} + 1"), COUNT),
    "upside down": (
        "let\n" + "\n".join(f"a{i} = a{i + 1} + 1" for i in range(COUNT)) + f"\na{COUNT} = 0\nin a0",
        COUNT,
    ),
    "thunks": (wide("f(1)", "f({})", "f(x) = { v = x, w = 1 }") + ".w", 1),
    "functions": (
        "let\n" + "\n".join(f"f{i}(x) = f{i + 1}(x) + 1" for i in range(COUNT)) + f"\nf{COUNT}(x) = x\nin f0(7)",
        COUNT + 7,
    ),
    "nested numbers": (nested("1", "{} + 1"), COUNT),
    "nested comprehensions": (nested("[1]", "[x + 1 for x in {}]"), [COUNT]),
    "nested functions": (nested("x => x", "x => x") + "(5)", 5),
    "in a record that is changed": (
        "let r = { first = 1, last = " + wide("f(first)", "f({})", "f(x) = x + first") + " } in "
        "let changed = r.with { first = 2 } in [r.last, changed.last, r.last]",
        [COUNT + 1, 2 * COUNT + 2, COUNT + 1],
    ),
    "in a function": (
        "let g(first) = " + wide("f(first)", "f({})", "f(x) = x + first") + " in [g(1), g(2), g(1)]",
        [COUNT + 1, 2 * COUNT + 2, COUNT + 1],
    ),
}  # fmt: skip


def variables(tree: ast.AST) -> Iterator[int]:
    """Yield the number of variables of each function, and of the functions around it."""
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    while todo:
        node, around = todo.pop()
        if isinstance(node, ast.FunctionDef):
            own: set[str] = set()
            inside = list(node.body)
            while inside:
                part = inside.pop()
                if isinstance(part, ast.FunctionDef):
                    own.add(part.name)
                    continue
                if isinstance(part, ast.Assign):
                    own |= {target.id for target in part.targets if isinstance(target, ast.Name)}
                inside += [n for n in ast.iter_child_nodes(part) if isinstance(n, ast.stmt)]
            around += len(own)
            yield around
        todo += [(child, around) for child in ast.iter_child_nodes(node)]


@pytest.mark.parametrize("name", TEXTS)
def test_functions_have_few_variables(name: str) -> None:
    source = Source("text", TEXTS[name][0], start="expression")
    made = deep_stack.run(lambda: compile_tree(source, parse(source, None), STRICT))
    assert max(variables(made.tree)) < 3 * MAX_NAMES


@pytest.mark.parametrize("name", TEXTS)
def test_values_are_those_of_narrow_lets(name: str) -> None:
    text, value = TEXTS[name]
    evaluator = Evaluator()
    assert evaluator.to_json(evaluator.expression(text)) == value


@pytest.mark.parametrize(
    ("first", "what", "line"),
    [("null + 1", "`+` cannot take null and an int", 2), ("a9 + 1", "`a9` depends on itself", 11)],
)
def test_errors_have_the_position_of_the_name(first: str, what: str, line: int) -> None:
    with pytest.raises(EvalError) as caught:
        Evaluator().expression(wide(first, "{} + 1"))
    assert caught.value.what == what
    assert caught.value.line in (2, line)


def test_names_of_nested_lets_are_found_in_few_scopes() -> None:
    scope = top = Scope(None)
    for i in range(COUNT):
        scope = scope.inside()
        scope.names["x"] = Variable(f"x.{i}", 1)
        scope.names[f"a{i}"] = Variable(f"a{i}.0", 1)
    depth, outer = 0, scope
    while outer.parent is not None:
        depth, outer = depth + 1, outer.parent
    assert outer is top and depth < 20
    found = [scope.find(name) for name in ("x", "a0", f"a{COUNT - 1}", "b")]
    assert [v and v.python for v in found] == [f"x.{COUNT - 1}", "a0.0", f"a{COUNT - 1}.0", None]
