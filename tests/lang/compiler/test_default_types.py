"""Defaults of parameters have the types of the parameters."""

from __future__ import annotations

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator

EVALUATOR = Evaluator(library=[])
# A value of each type, written so that its type shows before it is evaluated.
WRITTEN = {
    "null": "null", "bool": "true", "int": "-1", "float": "2.5", "string": '"a${1}"', "path": "./x", "list": "[1]",
    "record": "{ a = 1 }", "function": "x => x",
}  # fmt: skip
ACCEPTS = {**{kind: {kind} for kind in WRITTEN}, "number": {"int", "float"}, "any": set(WRITTEN), "[int]": {"list"}}


@pytest.mark.parametrize("wanted", ACCEPTS)
@pytest.mark.parametrize("given", WRITTEN)
def test_each_type(wanted: str, given: str) -> None:
    value = WRITTEN[given]
    never_called = f"let f(x: {wanted} = {value}) = 1 in 1"
    computed = f"let v = {value}, f({{ x: {wanted} = v }}) = type(x) in f {{}}"
    if given in ACCEPTS[wanted]:
        assert EVALUATOR.expression(never_called) == 1 and EVALUATOR.expression(computed) == given
        return
    for text in (never_called, computed):
        with pytest.raises(EvalError, match="The default of `x`") as caught:
            EVALUATOR.expression(text)
        assert caught.value.line == 1
        shown = text[caught.value.column - 1 :]
        assert shown.startswith(value[:2] if text is never_called and wanted != "[int]" else "")


@pytest.mark.parametrize(
    ("parameter", "fits"),
    [
        ("x: [string] = []", True),
        ('x: [string] = ["a", "b"]', True),
        ('x: [string] = ["a", 1]', False),
        ('x: [string] = ["a", n]', False),
        ("x: [int] = [1, n]", True),
        ("x: [[int]] = [[1], [n, 2]]", True),
        ("x: [[int]] = [[1], [n, 2.5]]", False),
        ("x: [int] | null = null", True),
        ("x: [int] = [...[n], 3]", True),
        ("x: [int] = [...[2.5], 3]", False),
        ("x: [int] = [a for a in [n]]", True),
        ("x: [int] = [2.5 for a in [n]]", False),
        ("x: package = { a = 1 }", False),
        ('x: package = { type = "package" }', True),
        ("x: int = if n == 5 then 1 else null", True),
        ("x: int = if n == 5 then null else 1", False),
    ],
)
def test_parts(parameter: str, fits: bool) -> None:
    text = f"let n = 5, f({parameter}) = x in evaluate(f(), 1)"
    if fits:
        assert EVALUATOR.expression(text) == 1
    else:
        with pytest.raises(EvalError, match="The default of `x` of `f` is"):
            EVALUATOR.expression(text)


def test_a_default_is_evaluated_only_if_it_is_used() -> None:
    assert EVALUATOR.expression('let f(x: int = error("never")) = 1 in f()') == 1
    assert EVALUATOR.expression('let f(x: int = error("never")) = x in f(2)') == 2
    assert EVALUATOR.expression("let f(a, x: [int] = [a, a + 1]) = x in f(1) == [1, 2]") is True


def test_null_has_a_hint() -> None:
    with pytest.raises(EvalError) as caught:
        EVALUATOR.expression("let f(x: string = null) = 1 in 1")
    assert caught.value.hint == "write x: string | null = null"
