"""Values of one shape share their code: results, positions and names are those of values compiled by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fpack.lang.builtins.table import STRICT
from fpack.lang.compiler import shared_code
from fpack.lang.compiler.compiler import compile_tree
from fpack.lang.compiler.shared_code import join, nested
from fpack.lang.errors import FpackError, render
from fpack.lang.evaluator import Evaluator
from fpack.lang.syntax import parser
from fpack.lang.syntax.source import Source
from support.archives.packages import Everything, Files

COUNT = 24
SETTINGS = {"arch": "amd64", "codec": {"name": "zstd", "level": 3, "threads": 2, "library": "test"}, "version": "test"}
HEAD = """mk({ name, n = 1, libs = [], more = {} }) = { name, n, libs, more, id = "${name}-${n + length(libs)}" }
pair(a, b) = { a, b }
twice(x) = x + x
"""

# The value of the field `p7` of a set, where {i} is 7, and {j} the number of another field.
SHAPES = {
    "calls": 'mk {{ name = "p{i}", n = {i}, libs = [self.p{j}.id], more = {{ v = "${{self.p0.name}}-{i}" }} }}',
    "arguments": 'pair("p{i}", [self.p{j}, {i}, self.p{j}.a, [0.5, null]])',
    "operators": "{{ a = if {i} < {j} then {i} * 2 else -{i}, id = ({i} + {j} - 1) / 3 == {j}, b = twice({i}) }}",
    "spreads": '{{ ...{{ a = {i}, b = {j} }}, ...self.p{j}, id = "x{i}" }}',
    "changes": 'mk {{ name = "p{i}" }}.with {{ n = {i} }}.extend {{ own = self.p{j}.name }}',
    "mentions": '{{ a = {i}, b = a + {j}, id = "${{b}}" }}',
    "pipes": 'pair({i}, "p{j}") |> keep',
}


def text(value: str, at: int = -1, wrong: str = "") -> str:
    fields = [value.format(i=i, j=i * 7 % COUNT if i * 7 % COUNT < i else 0) for i in range(COUNT)]
    fields[0] = 'mk { name = "p0" }' if "mk" in value else "pair(0, 0)"
    if at >= 0:
        fields[at] = wrong.format(i=at, j=0)
    lines = "".join(f"    p{i} = {field}\n" for i, field in enumerate(fields))
    return f"{HEAD}keep(x) = x\nset = let made(self) = {{\n{lines}  }} in let x = made(x) in x\n"


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(shared_code, "MIN_TEXT", 0)

    def work(written: str, shared: bool, ask: str = "set") -> Any:
        monkeypatch.setattr(shared_code, "MIN_VALUES", 16 if shared else 1 << 30)
        file = tmp_path / "main.fp"
        file.write_text(written)
        evaluator = Evaluator(root=tmp_path, settings=SETTINGS, packages=Everything(), sources=Files())
        try:
            return evaluator.to_json(evaluator.select(evaluator.load(file), [ask]))
        except FpackError as error:
            return render(error).replace(str(tmp_path) + "/", "")

    return work


def codes(written: str) -> int:
    source = Source("main.fp", written)
    made = compile_tree(source, parser.parse(source, None), STRICT)
    return sum(1 for _ in nested(join(compile(made.tree, "file", "exec", optimize=1))))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_values_are_those_of_separate_code(evaluate: Any, shape: str) -> None:
    written = text(SHAPES[shape])
    alone = evaluate(written, False)
    assert isinstance(alone, dict)
    assert evaluate(written, True) == alone


@pytest.mark.parametrize("shape", ["calls", "arguments", "operators", "spreads"])
def test_one_code_serves_all(monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    written = text(SHAPES[shape])
    alone = codes(written)
    monkeypatch.setattr(shared_code, "MIN_TEXT", 0)
    assert codes(written) < alone - 16


def test_a_short_text_is_compiled_as_it_is() -> None:
    written = text(SHAPES["calls"])
    assert len(written) < shared_code.MIN_TEXT
    source = Source("main.fp", written)
    made = compile_tree(source, parser.parse(source, None), STRICT)
    assert not any(c.co_name.startswith(shared_code.CODE) for c in nested(compile(made.tree, "file", "exec")))


# Each value fails in another place. The shape is that of the others, so that the code is shared.
FAILURES = {
    "a field": ("pair(self.p{j}.a + {i}, 1)", "pair(self.p{j}.nothing + {i}, 1)"),
    "an operator": ('twice("x{i}" + "{j}")', 'twice({i} + "{j}")'),
    "an element": ("pair([self.p{j}, self.p{j}.b], {i})", "pair([self.p{j}, self.p{j}.none], {i})"),
    "an index": ("get([1, 2], {i} - {i})", "get([1, 2], {i} + {i})"),
    "a text": ('pair("p{i}-${{self.p{j}.a}}", 1)', 'pair("p{i}-${{self.p{j}}}", 1)'),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("at", [1, 9, COUNT - 1])
def test_an_error_has_the_position_of_its_value(evaluate: Any, failure: str, at: int) -> None:
    good, wrong = FAILURES[failure]
    written = text(good, at, wrong)
    alone = evaluate(written, False)
    assert isinstance(alone, str) and f"p{at} =" in alone
    assert evaluate(written, True) == alone


def test_a_cycle_names_its_values(evaluate: Any) -> None:
    fields = [f"pair(self.p{i + 1}.a + 1, {i})" for i in range(COUNT)]
    fields[-1] = f"pair(self.p0.a + 1, {COUNT})"
    lines = "".join(f"    p{i} = {field}\n" for i, field in enumerate(fields))
    written = f"{HEAD}set = let made(self) = {{\n{lines}  }} in let x = made(x) in x\n"
    alone = evaluate(written, False)
    assert "depends on" in alone
    assert evaluate(written, True) == alone


def test_a_message_has_the_position_of_its_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shared_code, "MIN_TEXT", 0)
    file = tmp_path / "main.fp"
    file.write_text("set = {\n" + "".join(f'  p{i} = trace({i}, "at {i}")\n' for i in range(COUNT)) + "}\n")
    shown: list[str] = []
    evaluator = Evaluator(root=tmp_path, messages=lambda kind, message: shown.append(message))
    evaluator.select(evaluator.load(file), ["set", "p7"])
    assert len(shown) == 1 and ":9:" in shown[0]


def test_a_call_of_the_library_has_the_position_of_its_value(evaluate: Any) -> None:
    fields = "".join(
        f'  p{i} = container {{ name = "p{i}", tag = "1", packages = [], ports = ["{i}/tcp"] }}.ports\n'
        for i in range(1, COUNT)
    )
    written = "set = {\n" + fields.replace('"7/tcp"', '"7a"') + "}\n"
    alone = evaluate(written, False)
    assert isinstance(alone, str) and ":8:" in alone
    assert evaluate(written, True) == alone
