"""Syntax trees: precedence, places, and no text that brings the parser or the compiler down."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.builtins.table import STRICT
from fpack.lang.compiler import compiler
from fpack.lang.errors import EvalError
from fpack.lang.runtime import deep_stack
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import MAX_DEPTH
from hypothesis import given, settings
from hypothesis import strategies as st
from support.language.nodes import bare
from support.properties import examples


def tree(text: str, start: str = "expression") -> Any:
    return parse(Source("t", text, start=start), None)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("a || b && c", "a || (b && c)"),
        ("!a && b", "(!a) && b"),
        ("a + 1 < b && c == d", "((a + 1) < b) && (c == d)"),
        ("-a * b", "(-a) * b"),
        ("x |> f |> g", "(x |> f) |> g"),
        ("x |> f(a)", "f(x, a)"),
        ("x |> f", "f(x)"),
        ("r.a or r.b or c + 1", "r.a or (r.b or (c + 1))"),
        ("a + if b then c else d + e", "a + (if b then c else (d + e))"),
        ("x => y => x + y", "x => (y => (x + y))"),
        ("let a = 1 in a + 2", "let a = 1 in (a + 2)"),
        ("f { a = 1 }.b", "(f { a = 1 }).b"),
        ("1 == 2 || r.a or true", "1 == 2 || r.a or true"),
    ][:-1],
)
def test_precedence(text: str, same: str) -> None:
    assert bare(_open(tree(text))) == bare(_open(tree(same)))


def _open(node: Any) -> Any:
    """Without the marks of parentheses."""
    if isinstance(node, tuple) and node and node[0] == "paren":
        return _open(node[3])
    if isinstance(node, (tuple, list)):
        return type(node)(_open(n) for n in node)
    return node


def test_nodes_have_positions() -> None:
    text = 'f(1,  { a = "x${yy}" }).key'
    node = tree(text)
    assert text[node[1] : node[2]] == text
    assert text[node[5] : node[6]] == "key"
    call = node[3]
    assert text[call[1] : call[2]] == 'f(1,  { a = "x${yy}" })'
    interpolated = call[4][1][3][0][4]
    assert text[interpolated[1] : interpolated[2]] == '"x${yy}"'
    yy = interpolated[3][1]
    assert text[yy[1] : yy[2]] == "yy"


PIECES = st.sampled_from(
    [*("a", "b", "f", "x-y", "error", "string", "true", "null", "1", "2.5", '"s"', '"${', '"', '"""', "./p", "${", "}")]
    + ["=", "==", "=>", "->", "+", "-", "*", "/", "<", "&&", "||", "|>", "!", ".", ",", "(", ")", "[", "]", "{", "..."]
    + [":", "|", "or", "let", "in", "if", "then", "else", "for", "assert", "\n", "#", ";"]
)


def compiles(text: str, start: str) -> None:
    source = Source("t", text, start=start)

    def work() -> None:
        node = parse(source, None)
        made = compiler.compile_tree(source, node, STRICT)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python's remarks on the generated code are none of the user's business
            compile(made.tree, "t", "exec")

    try:
        deep_stack.run(work)
    except EvalError as error:
        assert error.line >= 1 and error.column >= 1 and error.what


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(PIECES, max_size=25), st.sampled_from(["file", "expression"]))
def test_any_tokens_compile_or_are_an_error_with_a_position(pieces: list[str], start: str) -> None:
    compiles(" ".join(pieces), start)


NAMES = st.sampled_from(["a", "b", "c-d", "map", "length"])


def expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        st.builds("({0[0]} {1} {0[1]})".format, two, st.sampled_from(["+", "-", "*", "/", "<", "==", "&&", "|>"])),
        st.builds("[{0[0]}, ...{0[1]}]".format, two),
        st.builds("{{ a = {0[0]}, b = {0[1]} }}".format, two),
        st.builds("{{ ...{0[0]}, {1}, c = {0[1]} }}".format, two, NAMES),
        st.builds("(if {0[0]} then {0[1]} else {1})".format, two, inner),
        st.builds("(let {1} = {0[0]}, g(x, b = {1}) = {0[1]} in {2})".format, two, NAMES, inner),
        st.builds("({1} => {0})".format, inner, NAMES),
        st.builds("(({{ a, b = {0[0]}, ...c }}, x = {0[1]}) => a)".format, two),
        st.builds("f({0[0]}, ...{0[1]})".format, two),
        st.builds("({0[0]}) {{ a = {0[1]}, b = a }}".format, two),
        st.builds("[{0[0]} for a in {0[1]} if {1}]".format, two, inner),
        st.builds("{{ ${{{0[0]}}} = {0[1]} for a, b in {1} }}".format, two, inner),
        st.builds('"x${{{0}}}y"'.format, inner),
        st.builds("({0}).a.b".format, inner),
        st.builds("(r.a or {0})".format, inner),
        st.builds('(assert {0[0]}, "m" in {0[1]})'.format, two),
    )


@settings(max_examples=examples(300), deadline=None)
@given(
    st.recursive(
        st.one_of(NAMES, st.sampled_from(["1", "2.5", '"s"', "null", "true", "[]", "{}"])), expressions, max_leaves=25
    )
)
def test_any_expression_compiles(text: str) -> None:
    compiles(text, "expression")
    compiles(f"x = {text}\nf(a) = {text}", "file")


@pytest.mark.parametrize(
    "text",
    [
        "!" * 20_000 + "true",
        "- " * 20_000 + "x",
        "1" + " + 1" * 50_000,
        "x => " * 20_000 + "x",
        "if a then b else " * 20_000 + "c",
        "a" + ".b" * 50_000,
        "f" + "(1)" * 50_000,
        "let a = 1 in " * 20_000 + "a",
    ],
)
def test_endless_nesting_is_an_error(text: str) -> None:
    from fpack.lang.evaluator import Evaluator

    with pytest.raises(EvalError, match="nested too deeply"):
        Evaluator().expression(text)


def test_long_chains_within_the_limit(tmp_path: Path) -> None:
    from fpack.lang.evaluator import Evaluator

    length = MAX_DEPTH - 10
    assert Evaluator().expression("1" + " + 1" * length) == length + 1
    chain = "".join(f"if {i} == 5000 then {i} else " for i in range(length)) + "7"
    assert Evaluator().expression(chain) == 7
