"""Builtins: each is documented, registered once, and refuses what it cannot take in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang import documentation
from fpack.lang.builtins import table
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given
from hypothesis import strategies as st
from support.archives.packages import Packages
from support.properties import some

OUTSIDE = [
    "error", "import", "read-text", "read-json", "read-toml", "read-yaml", "read-dir", "source", "package-set",
    "debian-releases", "ubuntu-releases", "debian-package", "debian-closure",
]  # fmt: skip
WRONG = ["null", "5", '"x"', "[]", "{}", "1.5", "true", "(a => a)", "./x"]
REST = ("", ", null", ", 5", ', "x"', ", []", ", (a => a)", ", [], 5", ', "x", "y"', ", 1, (a, b) => a", ", 1, 2, 3")
ACCEPTED = Path(__file__).with_name("accepted_calls.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def evaluator(cache: Path) -> Evaluator:
    return Evaluator(cache=cache, packages=Packages())


def test_every_builtin_exists_and_is_documented(evaluator: Evaluator) -> None:
    there = {name for name in evaluator._modules.base if not name.startswith(".")}
    assert there | {"import"} == set(table.STRICT)
    for name in set(table.STRICT) - table.HIDDEN:
        doc = documentation.builtins().get(name)
        assert doc is not None and doc.text and doc.calls[0].startswith(name), name
        assert doc.examples or name in OUTSIDE, name


DOCS = documentation.builtins()
EXAMPLES = [(name, text) for name in sorted(DOCS) for text in DOCS[name].examples]


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_examples_in_the_documentation_are_true(evaluator: Evaluator, name: str, text: str) -> None:
    assert name in text
    assert evaluator.expression(text) is True


def test_the_prelude_hides_no_builtin(evaluator: Evaluator) -> None:
    evaluator.expression("1")
    assert not set(evaluator._modules.prelude) & set(table.STRICT)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(table.STRICT) - table.HIDDEN - {"type", "to-json", "to-yaml", "mentions", "evaluate", "to-string", "trace"}
    ),
)
def test_wrong_arguments_are_errors(evaluator: Evaluator, name: str) -> None:
    """Each call ends in an error with a place, but those of accepted_calls.txt, which give a value."""
    given, rests = [], some(REST, 3)
    for first in WRONG:
        for rest in rests:
            call = f"{name}({first}{rest})"
            try:
                evaluator.force(evaluator.expression(call), deep=True)
                given.append(call)
            except EvalError as error:
                assert error.what[:1].isupper() or error.what[0] in "`'\"xy5" or error.what == "x", error.what
                assert error.line == 1
    tried = {f"{name}({first}{rest})" for first in WRONG for rest in rests}
    assert given == [call for call in ACCEPTED if call in tried]


@pytest.mark.parametrize("text", ["map(xs = [1], f = x => x)", "length()", "length(1, 2)", "split(...[1])"])
def test_calls_with_wrong_arguments_are_errors(evaluator: Evaluator, text: str) -> None:
    with pytest.raises(EvalError, match=r"`(map|length|split)` "):
        evaluator.expression(text)


def literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{literal(k)} = {literal(v)}" for k, v in value.items()) + " }"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() else f"\\u{{{ord(c):x}}}" for c in value) + '"'
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
EVALUATOR = Evaluator()


@given(VALUES)
def test_json_round_trip(value: Any) -> None:
    assert EVALUATOR.to_json(EVALUATOR.expression(literal(value))) == value
    assert EVALUATOR.expression(f"let v = {literal(value)} in from-json(to-json(v)) == v") is True


@given(VALUES, VALUES)
def test_equality_is_that_of_json(a: Any, b: Any) -> None:
    import json

    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert EVALUATOR.expression(f"{literal(a)} == {literal(b)}") is same
    assert EVALUATOR.expression(f"{literal(a)} != {literal(b)}") is not same


@given(st.lists(st.integers(-50, 50), max_size=12))
def test_list_builtins_agree_with_python(xs: list[int]) -> None:
    run, shown = EVALUATOR.expression, literal(xs)
    assert run(f"sort({shown})") == sorted(xs)
    assert run(f"unique({shown})") == list(dict.fromkeys(xs))
    assert run(f"reverse({shown})") == xs[::-1]
    assert run(f"fold({shown}, 0, (a, b) => a + b)") == sum(xs)
    assert run(f"[x for x in {shown} if x > 0]") == [x for x in xs if x > 0]
    assert run(f"sort({shown}, x => -x)") == sorted(xs, key=lambda x: -x)


@given(TEXT, TEXT, TEXT)
def test_string_builtins_agree_with_python(s: str, old: str, new: str) -> None:
    run = EVALUATOR.expression
    assert run(f"length({literal(s)})") == len(s)
    assert run(f"{literal(s)} + {literal(old)}") == s + old
    assert run(f"contains({literal(s)}, {literal(old)})") is (old in s)
    if old:
        assert run(f"replace({literal(s)}, {literal(old)}, {literal(new)})") == s.replace(old, new)
        assert run(f"join(split({literal(s)}, {literal(old)}), {literal(old)})") == s


@given(st.integers(-100, 100), st.integers(-100, 100))
def test_arithmetic_agrees_with_python(a: int, b: int) -> None:
    run = EVALUATOR.expression
    found = run(f"let a = {a}, b = {b} in [a + b, a - b, a * b, a < b, a >= b]")
    assert EVALUATOR.force(found, deep=True) == [a + b, a - b, a * b, a < b, a >= b]
    if b:
        assert run(f"let a = {a}, b = {b} in a / b") == int(a / b)
