"""Test that written JSON, YAML, TOML and INI is the same each time, and means the same to all readers."""

from __future__ import annotations

import configparser
import math
import tomllib
from typing import Any

import pytest
import yaml
from fpack.lang.builtins import ini_writer, toml_writer, yaml_writer
from fpack.lang.builtins.data_formats import parse_toml, parse_yaml
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given
from hypothesis import strategies as st

EVALUATOR = Evaluator(library=[])
WORDS = """no Yes ON y null ~ true 1 1.10 0x1F 0o17 0b1 1_000 12:30 1e3 .5 - --- ... a: : # a#b *a &a !a @a ` % ? | >
2024-01-01 2001-12-14t21:59:43.10-05:00 << = .inf NaN é " \"\"\" ' { } [ ] , https://x:80/ /fpack/store/a-b ./x ${A}
a=b"""
LINES = [
    "a\nb",
    "a\n",
    "\na",
    "a\n\n",
    " a\nb",
    "a\n b",
    "a \nb",
    "a\n...\nb",
    "a\n---\nb",
    "a\tb\nc",
    "a\r\nb",
    "a\n  ",
]
BLANKS = ["", " ", "\t", "\x85", "\u2028", "\ufeff", "\x7f", "\U0001f600", "\\", "- a", "a: b", "a #b", "? a", "a, b"]
ODD = st.sampled_from([*WORDS.split(), *LINES, *BLANKS, "x" * 1100])
TEXT = ODD | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT


def values(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
    )


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal and of the same types, and zeros have the same sign."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@given(values(SCALARS))
def test_yaml_is_read_back_by_readers_of_both_versions(value: Any) -> None:
    value = in_order(value)
    text = yaml_writer.encode(value)
    assert same(parse_yaml(text), value)
    assert same(yaml.load(text, yaml.SafeLoader), value)  # version 1.1
    assert text.endswith("\n") and "\t\n" not in text


@given(st.dictionaries(TEXT, values(st.booleans() | NUMBERS | TEXT), max_size=4))
def test_toml_is_read_back(value: dict[str, Any]) -> None:
    value = in_order(value)
    text = toml_writer.encode(value)
    assert same(in_order(parse_toml(text)), value)
    assert same(in_order(tomllib.loads(text)), value)


KEYS = st.text("abcXYZ_.-", min_size=1, max_size=5)
VALUES = st.sampled_from(["a", "a b", 'say "hi"', "/bin/sh -c 'a; b'", "50%", "é", "x=y", "", "no # comment"])


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_ini_is_read_back_by_configparser(value: dict[str, Any]) -> None:
    reader = configparser.RawConfigParser(strict=True, default_section="-no-")
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(ini_writer.encode(in_order(value)))
    assert {name: dict(reader[name]) for name in reader.sections()} == value


def literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{literal(k)} = {literal(v)}" for k, v in value.items()) + " }"
    if isinstance(value, str):
        return '"' + "".join(f"\\u{{{ord(c):x}}}" for c in value) + '"'
    return "[" + ", ".join(map(literal, value)) + "]" if isinstance(value, list) else str(value)


@given(st.dictionaries(TEXT, values(st.integers(0, 99) | TEXT), max_size=3))
def test_the_language_reads_what_it_writes(value: dict[str, Any]) -> None:
    for name in ("json", "yaml", "toml"):
        assert EVALUATOR.expression(f"let v = {literal(value)} in from-{name}(to-{name}(v)) == v") is True


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("to-yaml(null)", "null\n"),
        ("to-yaml([])", "[]\n"),
        ("to-yaml({ a = {}, b = [], c = [[]] })", "a: {}\nb: []\nc:\n  - []\n"),
        ("to-yaml([{ a = 1, b = [2] }, [3, [4]]])", "- a: 1\n  b:\n    - 2\n- - 3\n  - - 4\n"),
        ('to-yaml({ run = "set -e\\nmake\\n", m = 1.5e30 })', "m: 1.5e+30\nrun: |\n  set -e\n  make\n"),
        ('to-yaml({ "a b" = "it\'s", "1" = "1" })', '"1": "1"\na b: "it\'s"\n'),
        ('to-yaml(text("a", ""))', "/fpack/store/"),
        ("to-toml({ a = [{ x = 1 }, { y = {} }], z = [{}, 1] })", "z = [{}, 1]\n\n[[a]]\nx = 1\n\n[[a]]\n\n[a.y]\n"),
        ('to-toml({ "a b" = "x\\n\\"y\\"" })', '"a b" = """\nx\n\\"y\\""""\n'),
        ('to-ini({ a = 1, S = { b = true, c = ["x", "y"], d = [] } })', "a = 1\n\n[S]\nb = true\nc = x\nc = y\n"),
    ],
)
def test_texts(call: str, text: str) -> None:
    found = EVALUATOR.expression(call) if "text(" not in call else Evaluator().expression(call)
    assert found == text or (text == "/fpack/store/" and found.startswith(text))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("to-toml([1])", "a record"),
        ("to-toml({ a = { b = [null] } })", "`a.b` is null"),
        ("to-yaml(x => x)", "function"),
        ("to-toml({ f = x => x })", "function"),
        ("to-ini(5)", "record of sections"),
        ("to-ini({ a = null })", "null"),
        ("to-ini({ a = { b = { c = 1 } } })", "`a.b` is a record"),
        ("to-ini({ a = [[1]] })", "list in a list"),
        ('to-ini({ a = "x\\ny" })', "line break|INI cannot express"),
        ('to-ini({ a = " x" })', "INI cannot express"),
        ('to-ini({ "a=b" = 1 })', "cannot be a name"),
        ('to-ini({ "#a" = 1 })', "cannot be a name"),
        ('to-ini({ "a]" = { b = 1 } })', "section"),
        ("let a = [a] in to-yaml(a)", "nested too deeply for YAML"),
        ("let a = { b = a } in to-toml(a)", "nested too deeply for TOML"),
    ],
)
def test_what_a_format_cannot_express_is_an_error(call: str, message: str) -> None:
    with pytest.raises(EvalError, match=message):
        EVALUATOR.expression(call)
