"""Test that eager evaluation changes no result: programs are compared with the same ones in which all is lazy.

A function that is called by way of another promises nothing, and fields of a record are never evaluated before they
are asked for, as names of a `let` may be.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from fpack.lang.builtins.table import STRICT
from fpack.lang.compiler.compiler import compile_expression
from fpack.lang.compiler.strictness import Strictness
from fpack.lang.evaluator import Evaluator
from fpack.lang.runtime import deep_stack
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.store.errors import FpackError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.properties import examples

FUNCTIONS = """
all({ name, a = [], b = {}, c = "" }) = derivation { kind = "text", name, a, c, ...b }
last({ name, a = [], b = {}, c = "" }) =
  let text = "${c}!", list = [name, ...a] in derivation { kind = "text", name, list, args = { text, b } }
some({ name, a = [], b = {}, c = "" }) = { name, count = length(a), b }
none({ name = "", a = [], b = {}, c = "" }) = { n = 1 }
either({ name, a = [], b = {}, c = "" }) =
  if length(a) > 1 then derivation { kind = "text", name, c } else derivation { kind = "text", name, b }
claimed({ name, a = [], b = {}, c = "" }) = assert length(a) < 3, "too long" in derivation { kind = "text", name, a, b }
"""
CALLED = ("all", "last", "some", "none", "either", "claimed")


class Programs:
    """A program at random. lazily: it is written so that nothing is evaluated before it is asked for."""

    def __init__(self, random: Random, lazily: bool) -> None:
        self.random = random
        self.lazily = lazily

    def expression(self, depth: int, names: list[str]) -> str:
        """Any expression; `names` are in scope."""
        kinds = ["int", "text", "name", "fault"]
        if depth:
            kinds += [
                "call",
                "call",
                "call",
                "let",
                "let",
                "list",
                "record",
                "if",
                "map",
                "fold",
                "interp",
                "sum",
                "get",
            ]
        kind = self.random.choice(kinds)
        if kind == "name" and names:
            return self.random.choice(names)
        if kind == "fault":
            return 'error("fault", "x")' if self.random.random() < 0.2 else "3"
        make = getattr(self, kind, None)
        return make(depth - 1, names) if make else self.random.choice(["1", '"t"', "[]", "{}", "null"])

    def text(self, depth: int, names: list[str]) -> str:
        return f'"t{self.random.randrange(9)}"'

    def interp(self, depth: int, names: list[str]) -> str:
        return '"<${' + self.expression(depth, names) + '}>"'

    def sum(self, depth: int, names: list[str]) -> str:
        return f"({self.expression(depth, names)} + {self.expression(depth, names)})"

    def choose(self, depth: int, names: list[str]) -> str:
        test = self.random.choice(["true", "false", f"{self.expression(depth, names)} == 1"])
        return f"(if {test} then {self.expression(depth, names)} else {self.expression(depth, names)})"

    def get(self, depth: int, names: list[str]) -> str:
        return f"get([{self.expression(depth, names)}, {self.expression(depth, names)}], {self.random.randrange(2)})"

    def list(self, depth: int, names: list[str]) -> str:
        return f"[{', '.join(self.expression(depth, names) for _ in range(self.random.randrange(3)))}]"

    def record(self, depth: int, names: list[str]) -> str:
        other = self.random.choice("rac")  # which outdoes an argument of a function that spreads it
        return f"{{ q = {self.expression(depth, names)}, {other} = {self.expression(depth, names)} }}"

    def map(self, depth: int, names: list[str]) -> str:
        return f"map({self.list(depth, names)}, e{depth} => {self.expression(depth, [*names, f'e{depth}'])})"

    def fold(self, depth: int, names: list[str]) -> str:
        step = self.expression(depth, [*names, f"s{depth}", f"e{depth}"])
        return f"fold({self.list(depth, names)}, {self.expression(depth, names)}, (s{depth}, e{depth}) => {step})"

    def let(self, depth: int, names: list[str]) -> str:
        own = [f"{n}{depth}" for n in "xyz"[: self.random.randrange(1, 4)]]
        values = [(n, self.expression(depth, [*names, *own])) for n in self.random.sample(own, len(own))]
        body = self.expression(depth, [*names, *own])
        bound = ", ".join(f"{n} = {v}" for n, v in values)
        return f"{{ {bound}, out{depth} = {body} }}.out{depth}" if self.lazily else f"(let {bound} in {body})"

    def call(self, depth: int, names: list[str]) -> str:
        function = self.random.choice(CALLED)
        fields = {"name": self.random.choice(['"n"', self.interp(0, names), self.expression(depth, names)])}
        fields |= {n: self.expression(depth, names) for n in "abc" if self.random.random() < 0.7}
        if self.random.random() < 0.3:
            fields["a"] = self.list(depth, names)
        entries = [f"{n} = {v}" for n, v in fields.items()]
        if self.random.random() < 0.2:
            outdone = f"{{ {self.random.choice('abc')} = {self.expression(depth, names)} }}"
            entries.insert(self.random.randrange(len(entries) + 1), f"...{outdone}")
        written = ", ".join(entries)
        return f"((r => {function}(r)) {{ {written} }})" if self.lazily else f"({function} {{ {written} }})"


def result(text: str) -> Any:
    """Return the value of a program, or that it has an error: compilers may report different ones of several."""
    evaluator = Evaluator()
    try:
        return evaluator.to_json(evaluator.expression(text))
    except FpackError as error:
        # A name that is sure to need itself is refused where it is written, asked for or not.
        return "refused" if "depends on itself" in error.what else "fault"


@settings(max_examples=examples(300), suppress_health_check=list(HealthCheck), deadline=None)
@given(st.integers(0, 1 << 40))
def test_early_evaluation_changes_no_result(seed: int) -> None:
    strict, lazy = (Programs(Random(seed), lazily).expression(4, []) for lazily in (False, True))
    bindings = ", ".join(line for line in _functions())
    found = [result(f"let {bindings} in {text}") for text in (strict, lazy)]
    assert found[0] == found[1] or "refused" in found, strict


def _functions() -> list[str]:
    """Return the functions as bindings, one a string."""
    found: list[str] = []
    for line in FUNCTIONS.strip().split("\n"):
        if line.startswith(" "):
            found[-1] += " " + line.strip()
        else:
            found.append(line)
    return found


def _analyses(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many nodes the compiler analyses for an expression."""
    calls = 0
    analyse = Strictness.of

    def counted(self: Strictness, *args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return analyse(self, *args, **named)

    monkeypatch.setattr(Strictness, "of", counted)
    source = Source("t", text, start="expression")
    deep_stack.run(lambda: compile_expression(source, parse(source, None), STRICT))
    return calls


@pytest.mark.parametrize("entry", ["a{i} = a{j} + 1", "a{i} = f(a{j})", 'a{i} = "${{a{j}}}"'])
def test_nested_lets_are_analysed_once(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 400
    lets = "".join(f"let {entry.format(i=i, j=i - 1)} in " for i in range(1, count))
    assert _analyses(f"f => a0 => {lets}a{count - 1}", monkeypatch) < 20 * count


@pytest.mark.parametrize(
    ("level", "calls"),
    [
        ("let f{i}(x) = f{j}(x) in ", 12),
        ("let f{i}(x) = x + 1, a{i} = f{j}(1) in ", 16),
        ("let f{i} = x => x in ", 8),
        ("a{i} => let f{i}(x) = x in ", 8),
        ("let f{i}(x) = x + 1 in if f{half}(x) == 1 then 1 else ", 150),  # analysed again for each function
        ("let f{i}(x) = x + 1 in f{half}(x) + ", 150),
    ],
)
def test_nested_functions_take_linear_time(level: str, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (150, 600):
        levels = "".join(level.format(i=i, j=i - 1, half=(i + 1) // 2) for i in range(1, count))
        assert _analyses(f"x => f0 => {levels}f0(1)", monkeypatch) < calls * count
