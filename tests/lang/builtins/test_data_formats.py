"""Reading data of others: JSON, TOML and YAML, within bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fpack.lang.builtins.data_formats import parse_json, parse_toml, parse_yaml
from fpack.lang.builtins.yaml12 import MAX_NODES
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growth import check_linear


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: [1, no, yes, on, null, ~, true, 'x', \"y\"]", {"a": [1, "no", "yes", "on", None, None, True, "x", "y"]}),
        ("1: x\non: y\n", {"1": "x", "on": "y"}),
        ("a: 0o17\nb: 0x1F\nc: 010\nd: 1e3\ne: .5\nf: +5\ng: 12:30\n", {
            "a": 15, "b": 31, "c": 10, "d": 1000.0, "e": 0.5, "f": 5, "g": "12:30"}),
        ("a: 2024-01-01\nb: !!str 5\nc: !!float 5\nd: ! 5\n", {"a": "2024-01-01", "b": "5", "c": 5.0, "d": "5"}),
        ("a: &x { k: 1, l: 2 }\nb: *x\nc:\n  <<: *x\n  k: 3\n", {
            "a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 2}, "c": {"k": 3, "l": 2}}),
        ("a: |\n  one\n  two\nb: >\n  one\n  two\n", {"a": "one\ntwo\n", "b": "one two\n"}),
    ],
)  # fmt: skip
def test_yaml_follows_version_1_2(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, f"more than {MAX_NODES} values"),
        ("a: &a\n  <<: [*b]\n", "no anchor"),
        ("a: &a [*a]", "inside it"),
        ("- !!python/object/apply:os.system [id]", "tag"),
        ("- !foo {}", "tag"),
        ("!!int x", "does not match its tag"),
        ("a: 1\nb: 2\na: 3", "given twice: line 3 column 1"),
        ("a\n---\nb", "several documents"),
        ("? [a]\n: b", "name of a field"),
        ("<<: 5", "<<"),
        ("[" * 500, "nested"),
        ("- " * 500, "nested"),
        ("a: .inf", "not a finite number"),
        ("a: 1e999", "too large"),
        ("a: 99999999999999999999", "too large"),
        ('a: "\\0"', "not a valid character"),
        ("a: b: c", "line 1 column 5"),
        ("a: @x", "line 1"),
        ("\ta: 1", "line 1"),
    ],
)
def test_invalid_yaml_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=None) as caught:
        parse_yaml(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = 1\na = 2", "overwrite"),
        ("a = inf", "not a supported number"),
        ("a = 99999999999999999999999", "too large"),
        ("a = " + "[" * 5000, "nested"),
        ("a." * 300 + "a = 1", "parts"),
        ("b =\nc", "at line 1, column 4"),
    ],
)
def test_invalid_toml_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=None) as caught:
        parse_toml(text)
    assert reason.lower() in str(caught.value).lower()


def test_toml_is_data() -> None:
    assert parse_toml('d = 2024-01-01T10:00:00Z\nt = 10:00:00\n[a.b]\nc = [1, 2.5, "x", true]') == {
        "d": "2024-01-01T10:00:00+00:00", "t": "10:00:00", "a": {"b": {"c": [1, 2.5, "x", True]}}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "`a` is given twice"),
        ("[NaN]", "not a supported number"),
        ("[1e999]", "not a supported number"),
        ("1" * 30, "64 bits"),
        ('"\\u0000"', "not a valid character"),
        ('"\\ud800"', "not a valid character"),
        ("[1,]", "line 1 column"),
    ],
)
def test_invalid_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=None) as caught:
        parse_json(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parser"),
    [
        (lambda n: "{" + ",".join(f'"{i}": 1' for i in range(n // 2)) + f', "{n // 2 - 1}": 1}}', parse_json),
        (lambda n: "a." * n + "a = 1", parse_toml),
        (
            lambda n: f"a: &a {{ b: 1 }}\nc:\n  <<: [{'*a,' * n}]\n" + "".join(f"  d{i}: 1\n" for i in range(n)),
            parse_yaml,
        ),
    ],
)
def test_time_is_in_proportion_to_the_length(text: Callable[[int], str], parser: Callable[[str], Any]) -> None:
    def read(size: int) -> None:
        with suppress(ValueError):
            parser(text(size))

    check_linear(read)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff"))
NAME = st.text("abc<~-.'\" :#", max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_json_is_yaml(value: Any) -> None:
    """YAML 1.2 has all of JSON; `<<` is plain text within quotes."""
    assert parse_yaml(json.dumps(value, ensure_ascii=False)) == value
    assert parse_json(json.dumps(value)) == value


def test_files_of_the_project_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1.2"\n')
    (tmp_path / "package.json").write_text('{"dependencies": {"express": "^4"}}')
    (tmp_path / "compose.yml").write_text("services:\n  web: &w { image: a }\n  db: *w\n")
    evaluator = Evaluator(root=tmp_path)
    text = "[read-toml(./pyproject.toml).project.version, read-json(./package.json).dependencies.express, "
    text += "read-yaml(./compose.yml).services.db.image]"
    assert evaluator.force(evaluator.expression(text), deep=True) == ["1.2", "^4", "a"]


def test_an_error_names_the_file_and_the_position(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{\n  "a": 1,\n}')
    with pytest.raises(EvalError) as caught:
        Evaluator(root=tmp_path).expression("read-json(./package.json)")
    assert caught.value.what == "`package.json` is not valid JSON" and caught.value.why.startswith("line 3, column 1: ")
