"""The laws of overrides (docs/language.md), over random sets and layers."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fpack.lang.evaluator import Evaluator
from support.language import overrides
from support.language.overrides import Case, Fields, change, record, siblings

CASES = overrides.cases(seed=1, count=60)
PLAIN = overrides.cases(seed=2, count=60, kinds=("",))
RECORDED = Path(__file__).with_name("nix_overrides.json")
CHUNK = 25


def evaluated(texts: list[str]) -> list[object]:
    """Return the values of expressions. Some are evaluated together, which takes less time."""
    evaluator, found = Evaluator(), []
    for i in range(0, len(texts), CHUNK):
        found += evaluator.to_json(evaluator.expression(f"[{', '.join(texts[i : i + CHUNK])}]"))
    return found


def same(cases: list[Case], form: Callable[[Case], str]) -> None:
    """Assert that the text of each case has the case's value."""
    texts = [form(case) for case in cases]
    for text, found, case in zip(texts, evaluated(texts), cases, strict=True):
        assert found == case.value, text


# ---- the definition


def test_a_set_with_layers() -> None:
    same(CASES, overrides.text)


def test_a_change_that_is_used_before_the_next_one_is_laid() -> None:
    def form(case: Case) -> str:
        steps = [f"s0 = {siblings(case.layers[0])}", "n0 = length(names(s0))"]
        for i, fields in enumerate(case.layers[1:], 1):
            # The set so far may have no value for some fields, but it has names.
            steps += [f"s{i} = s{i - 1}.extend{change(fields)}", f"n{i} = length(names(s{i}))"]
        last = len(case.layers) - 1
        used = " && ".join(f"n{i} > 0" for i in range(last + 1))
        return f"(let {', '.join(steps)} in if {used} then s{last} else s0)"

    same(CASES, form)


def test_a_set_in_a_file(tmp_path: Path) -> None:
    for i, case in enumerate(CASES[:30]):
        lines = [f"{name} = {overrides._sum(field, '', '')}" for name, field in case.layers[0].items()]
        (tmp_path / f"s{i}.fp").write_text("\n".join(lines))
    layered = [
        f'import("./s{i}.fp")' + "".join(f".extend{change(fields)}" for fields in case.layers[1:])
        for i, case in enumerate(CASES[:30])
    ]
    evaluator = Evaluator(root=tmp_path)
    found = evaluator.to_json(evaluator.expression(f"[{', '.join(layered)}]"))
    assert found == [case.value for case in CASES[:30]]


def test_a_set_made_by_a_function_with_defaults() -> None:
    """`old` has the default of a field that the argument does not give, and it sees the final fields as well."""

    def form(case: Case) -> str:
        first = case.layers[0]
        order = sorted(first)  # a default may mention the defaults before it
        params = ", ".join(f"{name} = {overrides._sum(first[name], '', '')}" for name in order)
        return _extended(f"(let f({{ {params} }}) = {{ {', '.join(order)} }} in f {{}})", case.layers[1:])

    same(CASES, form)


def test_an_argument_whose_fields_mention_each_other() -> None:
    def form(case: Case) -> str:
        order = sorted(case.layers[0])
        made = f"(let f({{ {', '.join(order)} }}) = {{ {', '.join(order)} }} in f {siblings(case.layers[0])})"
        return _extended(made, case.layers[1:])

    same(CASES, form)


# ---- the laws


@pytest.mark.parametrize("nothing", [".with {}", ".extend {}", ".with(old => {})", ".extend((old, new) => {})"])
def test_identity(nothing: str) -> None:
    same(CASES[:20], lambda case: overrides.text(case) + nothing)


def test_identity_of_a_spread() -> None:
    same(CASES[:20], lambda case: f"{{ ...{overrides.text(case)} }}")
    # It is the set still, and no copy of its values.
    same(CASES, lambda case: _extended(f"{{ ...{siblings(case.layers[0])} }}", case.layers[1:]))


def _extended(made: str, layers: list[Fields]) -> str:
    return made + "".join(f".extend{change(fields)}" for fields in layers)


def test_with_is_extend_for_fields_that_the_set_has() -> None:
    def form(case: Case) -> str:
        text, known = siblings(case.layers[0]), set(case.layers[0])
        for fields in case.layers[1:]:
            text += _with(fields, known)
            known |= fields.keys()
        return text

    same(PLAIN, form)


def _with(fields: Fields, known: Iterable[str]) -> str:
    """Return a change of the known fields by `.with`, and an extension by the others."""
    changed = {n: f for n, f in fields.items() if n in known}
    added = {n: f for n, f in fields.items() if n not in known}
    return f".with {record(changed)}" + (f".extend {record(added)}" if added else "")


def test_the_order_of_independent_layers_does_not_matter() -> None:
    chance, found = random.Random(3), 0
    texts, wanted = [], []
    while found < 40:
        one, two = (overrides.layer(chance, ("", "new", "old")) for _ in range(2))
        if not (one.keys().isdisjoint(two) and _reads(one).isdisjoint(two) and _reads(two).isdisjoint(one)):
            continue
        first = overrides.base(chance)
        try:
            value = overrides.value([first, one, two])
        except overrides.Wrong:
            continue
        found += 1
        texts += [_extended(siblings(first), [one, two]), _extended(siblings(first), [two, one])]
        wanted += [value, value]
    assert evaluated(texts) == wanted


def _reads(fields: Fields) -> set[str]:
    return {field.name for field in fields.values() if field.of == "old"}


def test_a_spread_with_fields_is_a_change() -> None:
    def form(case: Case) -> str:
        text = siblings(case.layers[0])
        for fields in case.layers[1:]:
            text = f"{{ ...{text}, {record(fields)[2:-2]} }}"
        return text

    same(PLAIN, form)
    # A change after the spread reaches what was spread.
    same(PLAIN, lambda case: _extended(form(Case(case.layers[:-1], {})), case.layers[-1:]))


def test_a_set_of_several_sets() -> None:
    """Fields of each part see those of the whole set, also those that a later change gives."""
    chance = random.Random(4)
    texts, wanted = [], []
    while len(texts) < 40:
        one, two = overrides.base(chance), overrides.base(chance)
        last = overrides.layer(chance, ("",))
        try:
            value = overrides.value([one, two, last])
        except overrides.Wrong:
            continue
        texts.append(f"{{ ...{siblings(one)}, ...{siblings(two)} }}.extend {record(last)}")
        wanted.append(value)
    assert evaluated(texts) == wanted


def test_a_change_reaches_through_wrappers() -> None:
    """`.with` on the result of a function goes to the function, or further in if it does not have the field."""

    def form(case: Case) -> str:
        first = case.layers[0]
        order = sorted(first)
        params = ", ".join(f"{name} = {overrides._sum(first[name], '', '')}" for name in order)
        inner = f"f({{ {params} }}) = {{ {', '.join(order)} }}"
        outer = f"g({{ {order[0]} = {overrides._sum(first[order[0]], '', '')} }}) = f {{ {order[0]} }}"
        return f"(let {inner}, {outer}, h({{}}) = let r = g {{}} in r in h {{}})" + "".join(
            f".with {record({n: f for n, f in fields.items() if n in first})}" for fields in case.layers[1:]
        )

    cases = []
    for case in PLAIN:
        layers = [case.layers[0], *({n: f for n, f in x.items() if n in case.layers[0]} for x in case.layers[1:])]
        cases.append(Case(case.layers, overrides.value(layers)))
    same(cases, form)


def test_layers_in_one_extension_are_layers_one_after_the_other() -> None:
    """`.extend(a).extend(b)` is `.extend { ...a, ...b }` for plain records."""

    def form(case: Case) -> str:
        joined = ", ".join(f"...{record(fields)}" for fields in case.layers[1:])
        return f"{siblings(case.layers[0])}.extend {{ {joined} }}"

    same(PLAIN, form)


def test_extend_after_with() -> None:
    def form(case: Case) -> str:
        first, *rest = case.layers[1:]
        return (
            siblings(case.layers[0])
            + _with(first, case.layers[0])
            + "".join(f".extend{change(fields)}" for fields in rest)
        )

    same([Case(c.layers, c.value) for c in PLAIN], form)
    mixed = [c for c in CASES if all(f.of == "" for f in c.layers[1].values())]
    assert len(mixed) > 4
    same(mixed, form)


# ---- beside Nix


def test_recorded_results_of_nix() -> None:
    recorded = json.loads(RECORDED.read_text())
    assert evaluated([row["fpack"] for row in recorded]) == [row["value"] for row in recorded]


@pytest.mark.long
def test_the_same_sets_in_nix(tmp_path: Path) -> None:
    """Run Nix: `nix-instantiate`, or in a root that `FPACK_TESTS_NIX` enters. FPACK_WRITE_EXPECTED=1 records."""
    enter = os.environ.get("FPACK_TESTS_NIX")
    if not enter and shutil.which("nix-instantiate") is None:
        pytest.skip("Nix is not installed, and FPACK_TESTS_NIX is not set")
    cases = [*CASES, *PLAIN, *overrides.cases(seed=5, count=900)]
    command = [*([enter] if enter else []), "nix-instantiate", "--eval", "--strict", "--json", "-E"]
    found = []
    for i in range(0, len(cases), 100):
        sets = " ".join(overrides.nix(case) for case in cases[i : i + 100])
        text = f"let {overrides.NIX_SET} in [ {sets} ]"
        found += json.loads(subprocess.run([*command, text], capture_output=True, check=True, text=True).stdout)
    assert found == [case.value for case in cases]
    assert evaluated([overrides.text(case) for case in cases]) == found
    if os.environ.get("FPACK_WRITE_EXPECTED"):
        rows = [
            {"nix": overrides.nix(case), "fpack": overrides.text(case), "value": value}
            for case, value in list(zip(cases, found, strict=True))[:40]
        ]
        RECORDED.write_text(json.dumps(rows, indent=1) + "\n")
