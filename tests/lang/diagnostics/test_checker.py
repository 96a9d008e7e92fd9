"""Test the findings in a text that is not evaluated, and that sound texts have none."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.lang.diagnostics.calls import Library, ParsedText
from fpack.lang.diagnostics.checker import Diagnostic, check, library_of
from fpack.lang.errors import render
from fpack.lang.runtime import deep_stack
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from hypothesis import HealthCheck, given, settings
from support.language.programs import files
from support.paths import REPOSITORY, TESTS
from support.properties import examples

CASES = TESTS / "lang/cases"


@pytest.fixture(scope="session")
def library(cache: Path) -> Library:
    return library_of([REPOSITORY / "pkgs"], cache)


def found(text: str, library: Library, directory: str = "") -> list[Diagnostic]:
    result: list[Diagnostic] = deep_stack.run(lambda: check(Source("t.fp", text), directory, library))
    return result


def told(text: str, library: Library, directory: str = "") -> list[tuple[str, int, int, str]]:
    return [(f.rule, f.error.line, f.error.column, f.error.what) for f in found(text, library, directory)]


ERRORS = {
    "undefined": ("a = b", [("undefined", 1, 5, "The name `b` is not defined")]),
    "undefined, several": (
        "a = x\nb = [y, a]",
        [("undefined", 1, 5, "The name `x` is not defined"), ("undefined", 2, 6, "The name `y` is not defined")],
    ),
    "undefined in a string": ('a = "x ${who}"', [("undefined", 1, 10, "The name `who` is not defined")]),
    "hidden": ("a = settings", [("undefined", 1, 5, "The name `settings` is not defined")]),
    "hidden by a sibling field": (
        'f(name) = { name = "b", id = "i-${name}" }\ny = [{ n = 1, m = n } for n in [2]]',
        [
            ("hidden", 1, 35, "`name` can mean two things here"),
            ("hidden", 2, 19, "`n` can mean two things here"),
        ],
    ),
    "this and outer": (
        "a = this.b\nc = { d = outer.d }\ne = 1\nf = this.e or 2",
        [
            ("hidden", 1, 10, "No record around this has a field `b`"),
            ("undefined", 2, 17, "There is no outer `d`"),
            ("hidden", 4, 5, "`or` gives a default for a field that may be missing"),
        ],
    ),
    "out of scope": (
        "a = (let x = 1 in x) + x\nb = [y for y in [1]] + [y]",
        [("undefined", 1, 24, "The name `x` is not defined"), ("undefined", 2, 25, "The name `y` is not defined")],
    ),
    "duplicate": ("a = 1\nb = { c = 1, c = 2 }\na = 2", [
        ("duplicate", 2, 14, "`c` is given twice"), ("duplicate", 3, 1, "`a` is given twice"),
    ]),
    "field of a container": (
        'i = container { name = "x", tag = "1", packages = [], entry-point = [] }',
        [("argument", 1, 55, "`container` has no field `entry-point`")],
    ),
    "field of a function": (
        "f({ a, b = 1 }) = a + b\nx = f { a = 1, c = 2 }\ny = f({ b = 1 })",
        [("argument", 2, 16, "`f` has no field `c`"), ("argument", 3, 7, "`f` needs the field `a`")],
    ),
    "needed field": ("s = package { version = \"1\" }", [("argument", 1, 5, "`package` needs the field `name`")]),
    "arguments": (
        "f(a, b = 1) = a + b\nx = f(1, 2, 3)\ny = f(c = 1, a = 2)\nz = f()\nw = f(1, a = 2)",
        [
            ("argument", 2, 13, "`f` takes 2 arguments, and here are 3"),
            ("argument", 3, 7, "`f` has no parameter `c`"),
            ("argument", 4, 5, "`f` needs the argument `a`"),
            ("argument", 5, 10, "The argument `a` is given twice"),
        ],
    ),
    "piped": (
        "f(a) = a\nx = 1 |> f\ny = 1 |> f(2)",
        [("argument", 3, 12, "`f` takes one argument, and here are 2")],
    ),
    "field of a record": (
        "r = { port = 1 }\na = r.prot\nb = r.prot or 2\nc = r.port",
        [("field", 2, 7, "There is no field `prot`")],
    ),
    "field of a file": (
        'a = import("fpack/debian-package").packages',
        [("field", 1, 36, "There is no field `packages`")],
    ),
    "library": ('a = import("fpack/debain")', [("import", 1, 12, "The library has no file `fpack/debain`")]),
    "no import": ('a = import("x.fp")', [("import", 1, 12, "`x.fp` cannot be imported")]),
    "itself": ("a = { b = b }", [("invalid", 1, 11, "`b = b` defines the value by itself")]),
    "syntax": ("a = [1 2]", [("syntax", 1, 8, "Unexpected `2`")]),
    "unused": (
        "f(a, b) = let c = 1, d = 2 in a + d\ng = [1 for x in [1]]\n"
        "h = map([1], xs => 1)\ni = [k for k, v in {}]\nj(_x) = 1",
        [
            ("unused", 1, 6, "The parameter `b` is not used"), ("unused", 1, 15, "The name `c` is not used"),
            ("unused", 2, 12, "The name `x` is not used"),
        ],
    ),
    "constant": (
        "a = if true then 1 else 2\nb = if !true then 1 else 2\nc = a == 1 && b == 1\nd = false && a == 1",
        [
            ("unreachable", 1, 25, "This branch is never taken"), ("unreachable", 2, 19, "This branch is never taken"),
            ("unreachable", 4, 14, "This is never evaluated"),
        ],
    ),
    "asked before": (
        "f(n) = if n == 1 then 1 else if n == 2 then 2 else if n ==  1 then 3 else 4",
        [("unreachable", 1, 68, "This branch is never taken")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_findings(name: str, library: Library) -> None:
    text, expected = ERRORS[name]
    assert told(text, library) == expected


def test_warnings_are_not_errors(library: Library) -> None:
    text = ERRORS["unused"][0] + "\n" + ERRORS["constant"][0].replace("a =", "aa =").replace("b =", "bb =")
    assert not any(f.is_error for f in found(text, library) if f.rule in ("unused", "unreachable"))
    assert all(f.is_error for f in found(ERRORS["arguments"][0], library))


def test_hints_equal_those_of_the_evaluation(library: Library) -> None:
    (finding,) = found("a = contaner { packages = [] }", library)
    assert "did you mean `container`?" in render(finding.error)
    (finding,) = found('i = container { name = "x", tag = "1", packages = [], prots = [1] }', library)
    assert "did you mean `ports`?" in render(finding.error)


def test_other_files_of_a_project(tmp_path: Path, library: Library) -> None:
    (tmp_path / "lib.fp").write_text("f({ a }) = a\nn = 1\n")
    text = 'lib = import("./lib.fp")\nx = lib.f { b = 1 }\ny = lib.m\nz = import("./none.fp")\nw = import(./lib.fp).n'
    assert told(text, Library(library.directories and [Path(d) for d in library.directories], None), str(tmp_path)) == [
        ("argument", 2, 5, "`f` needs the field `a`"),
        ("argument", 2, 13, "`f` has no field `b`"),
        ("field", 3, 9, "There is no field `m`"),
        ("import", 4, 12, "There is no file `./none.fp`"),
    ]


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (CASES / "ok").glob("*/main.fp")))
def test_correct_texts_have_no_errors(name: str, library: Library) -> None:
    place = CASES / "ok" / name / "main.fp"
    assert [f.error.what for f in found(place.read_text(), library, str(place.parent)) if f.is_error] == []


@pytest.mark.parametrize("name", sorted(p.name for folder in ("pkgs",) for p in (REPOSITORY / folder).glob("*.fp")))
def test_the_curated_packages_have_no_warnings(name: str, library: Library) -> None:
    assert told((REPOSITORY / "pkgs" / name).read_text(), library, str(REPOSITORY / "pkgs")) == []


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_any_text_is_checked(text: str) -> None:
    for finding in found(text, Library([REPOSITORY / "lang" / "std"], None)):
        assert finding.error.line >= 1 and finding.error.what
        assert finding.as_json()["message"] == finding.error.what


def test_names_that_are_used_as_this_or_outer_count_as_used(library: Library) -> None:
    text = (
        'f({ name, libs }) = { name = "x-${name}", libs = [...libs, 1] }\n'
        "g(n) = { n = 1, m = [this.n, outer.n] }\n"
        'h = [{ name = "a", tag = outer.name } for name in ["b"]]\n'
        "i = let x = 1 in let x = x + 1 in x\n"
        'j = { text = text("a", "b") }\n'
    )
    assert told(text, library) == []


def test_the_binding_of_a_hidden_name(library: Library) -> None:
    text = "f(n) = { n = 1, m = [this.n, outer.n], k = { n = n + 1 } }"
    names = ParsedText(Source("t.fp", text), parse(Source("t.fp", text), None), "").names

    def start(of: str, after: int) -> int:
        at = names.at(text.index(of) + after)
        assert at is not None and at[0] is not None
        return at[0].start

    assert start("this.n", 5) == text.index("n = 1")
    assert start("outer.n", 6) == text.index("n)")
    assert start("n + 1", 0) == text.index("n = 1")
