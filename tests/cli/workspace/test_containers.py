"""Errors about targets that are several values, or none that a verb takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.cli.workspace import containers
from support.processes.program import Fpack

FILE = """\
set    = { b = text("b", "two"), a = text("a", "one"), deep = { c = text("c", "three") } }
empty  = {}
call   = name => text(name, "text")
number = 5
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fpack.fp").write_text(FILE)
    return tmp_path


def test_a_verb_that_takes_one_value_names_the_members_of_a_record(fpack: Fpack, project: Path) -> None:
    error = fpack.fails("log", "fpack.fp#set", cwd=project)
    assert "fpack.fp#set is several values\n  why:   it has b, a, deep.c\n" in error
    assert "  try:   name one of them\n" in error


@pytest.mark.parametrize("verb", ["pack", "build", "log"])
def test_other_values_are_named(fpack: Fpack, project: Path, verb: str) -> None:
    assert "number is an int\n" in fpack.fails(verb, "number", cwd=project)
    assert "empty is empty\n" in fpack.fails(verb, "empty", cwd=project)
    error = fpack.fails(verb, "call", cwd=project)
    assert "call is a function\n" in error and "try:   call it: " in error


@pytest.mark.parametrize(
    ("given", "commands"),
    [
        ("app --version", [("app", "--version")]),
        ("app", [("app",)]),
        (["app", "a b"], [("app", "a b")]),
        (["app 'a b'", "app"], [("app", "a b"), ("app",)]),
        ([["app", "a b"], "app x"], [("app", "a b"), ("app", "x")]),
        ([], []),
    ],
)
def test_the_forms_of_commands_that_an_image_must_pass(given: Any, commands: list[tuple[str, ...]]) -> None:
    evaluator = SimpleNamespace(force=lambda value: value)
    workspace: Any = SimpleNamespace(evaluator=evaluator, field=lambda value, name: value[name])
    assert list(containers._tries(workspace, {"try": given})) == commands
