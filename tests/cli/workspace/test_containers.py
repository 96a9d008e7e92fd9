"""Errors about targets that are no container, derivation or shell: they say what the value is, and what to name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import Fpack

FILE = """\
set    = { b = text("b", "two"), a = text("a", "one"), deep = { c = text("c", "three") } }
many   = { ${"f${n}"} = n for n in range(10, 19) }
empty  = {}
call   = name => text(name, "text")
number = 5
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fpack.fp").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("verb", "wanted"), [("pack", "a container"), ("build", "a derivation"), ("log", "a derivation")]
)
def test_a_record_names_its_fields(fpack: Fpack, project: Path, verb: str, wanted: str) -> None:
    error = fpack.fails(verb, "fpack.fp#set", cwd=project)
    assert f"error: fpack.fp#set is not {wanted}\n  why:   it is a record with the fields a, b, deep\n" in error
    assert "  try:   name one of its fields, as in fpack.fp#set.a\n" in error
    assert "as in fpack.fp#set.a\n" in fpack.fails(verb, "set", cwd=project)
    error = fpack.fails(verb, "#set.deep", cwd=project)
    assert "with the fields c\n" in error and "fpack.fp#set.deep.c\n" in error
    assert "with the fields f10, f11, f12, f13, f14, f15 and 3 more\n" in fpack.fails(verb, "many", cwd=project)
    assert "it is a record\n" in fpack.fails(verb, "empty", cwd=project)


@pytest.mark.parametrize("verb", ["pack", "build"])
def test_other_values_are_named(fpack: Fpack, project: Path, verb: str) -> None:
    assert "it is an int\n" in fpack.fails(verb, "number", cwd=project)
    error = fpack.fails(verb, "call", cwd=project)
    assert "it is a function\n" in error and "try:   call it; package-set(./DIRECTORY) calls" in error


def test_a_shell_of_a_record_names_its_fields(fpack: Fpack, project: Path) -> None:
    error = fpack.fails("shell", "fpack.fp#set", cwd=project)
    assert "is not a shell or a package\n  why:   it is a record with the fields a, b, deep\n" in error
