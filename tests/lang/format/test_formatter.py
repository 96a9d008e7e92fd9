"""The formatter: its style, and that no text comes out with another meaning or without a comment."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.format.formatter import Unformattable, format_source, meaning
from fpack.lang.syntax.lexer import tokenize
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.language.nodes import bare
from support.language.programs import files, loose_expressions
from support.paths import REPOSITORY
from support.properties import examples

TEXTS = sorted(
    str(p.relative_to(REPOSITORY))
    for folder in ("lang", "pkgs", "examples", "tests")
    for p in (REPOSITORY / folder).rglob("*.fp")
)


@functools.lru_cache(maxsize=1024)  # several tests format the same files
def formatted(text: str, start: str = "file") -> str:
    return format_source(Source("t", text, start=start), None)


@functools.lru_cache(maxsize=2)
def tree_of(text: str, start: str) -> Any:
    return bare(parse(Source("t", text, start=start), None))


def check(text: str, start: str = "file") -> str:
    """Format a text that parses, and hold the result against all that the formatter promises."""
    tree = tree_of(text, start)
    result = formatted(text, start)
    assert tree_of(result, start) == tree
    assert formatted(result, start) == result
    assert result.endswith("\n") or not result
    assert "\n\n\n" not in re.sub(r'"""(?:[^"\\]|\\.|"(?!""))*"""', "text", result)
    return result


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_of_the_repository_keeps_its_meaning(name: str) -> None:
    text = (REPOSITORY / name).read_text("utf-8", "replace").replace("\r\n", "\n")
    try:
        tree_of(text, "file")
    except EvalError:
        with pytest.raises(EvalError):
            formatted(text)
        return
    result = check(text)
    assert [c.strip() for c in re.findall(r"^\s*(#.*)$", text, re.M)] == re.findall(r"^\s*(#.*)$", result, re.M)


@pytest.mark.parametrize("name", [n for n in TEXTS if n.startswith(("lang/std", "pkgs", "examples"))])
def test_most_lines_of_the_library_keep_their_style(name: str) -> None:
    """Most of its lines stay as they are: a style of one's own would show here."""
    before = (REPOSITORY / name).read_text().splitlines()
    after = {line.strip() for line in formatted("\n".join(before) + "\n").splitlines()}
    assert sum(line.strip() in after for line in before) >= 0.8 * len(before)


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_random_files(text: str) -> None:
    try:
        parse(Source("t", text), None)
    except EvalError:
        return
    check(text)


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(loose_expressions())
def test_random_expressions(text: str) -> None:
    try:
        parse(Source("t", text, start="expression"), None)
    except EvalError:
        return
    check(text, "expression")


@settings(max_examples=examples(300), deadline=None)
@given(st.text(alphabet=' \n\t#"${}[]()=,.:|->abif"&0', max_size=60))
def test_any_text_is_formatted_or_an_error_with_a_position(text: str) -> None:
    try:
        check(text)
    except Unformattable:
        raise
    except EvalError as error:
        assert error.line >= 1


STYLE = {
    "blanks": ('a=1+2 *3\nb = f (x,y ) . z', "a = 1 + 2 * 3\nb = f(x, y).z\n"),
    "signs": ("a = - 1\nb = x-1 - -y\nc = ! d", "a = -1\nb = x-1 - -y\nc = !d\n"),
    "braces": ("a = {b=1 ,c=2,}\nd = { }\ne = f {x=1}", "a = { b = 1, c = 2 }\nd = {}\ne = f { x = 1 }\n"),
    "lists": ("a = [ 1,2 , 3, ]", "a = [1, 2, 3]\n"),
    "list over lines": ("a = [\n1,2,\n    3\n]", "a = [\n  1, 2,\n  3,\n]\n"),
    "fields over lines": ("a = {\nb = 1,\nc = 2,\n}", "a = {\n  b = 1\n  c = 2\n}\n"),
    "open end": ("a = {\nb = 1 }", "a = {\n  b = 1\n}\n"),
    "blank lines": ("\n\na = 1\n\n\n\nb = {\n\n c = 1\n\n}\n\n\n", "a = 1\n\nb = {\n  c = 1\n}\n"),
    "comments": (
        "#first\na = [ # why\n1, # one\n   # end\n]   \n# last",
        "#first\na = [ # why\n  1, # one\n  # end\n]\n# last\n",
    ),
    "let": ("f(x) =\nlet\na = 1\nb = 2\nin\na + b", "f(x) =\n  let\n    a = 1\n    b = 2\n  in\n    a + b\n"),
    "let on one line": (
        "f(x) =\nlet a = 1 in\nif x then a\nelse 2",
        "f(x) =\n  let a = 1 in\n  if x then a\n  else 2\n",
    ),
    "else if": (
        "f(x) =\nif x then\n1\nelse if y then 2\nelse {\na = 1\n}",
        "f(x) =\n  if x then\n    1\n  else if y then 2\n  else {\n    a = 1\n  }\n",
    ),
    "pipes": ("a =\nxs\n|> map(f)\n|> sort", "a =\n  xs\n  |> map(f)\n  |> sort\n"),
    "comprehension": ("a = [\nx\nfor x in xs\nif x > 1\n]", "a = [\n  x\n  for x in xs\n  if x > 1\n]\n"),
    "aligned": ("a   = 1\nbbb = 2\nc = 3", "a = 1\nbbb = 2\nc = 3\n"),
    "aligned in braces": ("r = {\n  a   = 1\n  bbb = 2\n}", "r = {\n  a = 1\n  bbb = 2\n}\n"),
    "not aligned": ("a = 1\nbbb = 2\ncc   = 3", "a = 1\nbbb = 2\ncc = 3\n"),
    "adjacent comments": ("a = 1 # x\nbb = 2       # y\n\nc = 1    # z", "a = 1  # x\nbb = 2 # y\n\nc = 1 # z\n"),
    "patterns keep commas": ("f({\na: int,\n b = 1,\n}) = a", "f({\n  a: int,\n  b = 1,\n}) = a\n"),
    "block": ('a = {\nb = """\none\n two\n   """\n}', 'a = {\n  b = """\n    one\n     two\n  """\n}\n'),
    "in strings": ('a = "x${ b+1 }${c}"', 'a = "x${b + 1}${c}"\n'),
    "types": ("f(a:int|null,b:[string]=[]) = a", "f(a: int | null, b: [string] = []) = a\n"),
    "path and dot": ("a = ./x .b", "a = ./x .b\n"),
    "lambda in a call": ("a = fold(xs, [], (t, x) =>\n[...t, x])", "a = fold(xs, [], (t, x) =>\n  [...t, x])\n"),
    "nested calls": ("a = f(g {\nb = 1\n})", "a = f(g {\n  b = 1\n})\n"),
    "computed": ("a = { ${ k }=1 }.${k}", "a = { ${k} = 1 }.${k}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", STYLE)
def test_style(name: str) -> None:
    text, expected = STYLE[name]
    assert check(text) == expected


def test_long_lines_are_broken() -> None:
    items = ", ".join(f'"element number {i}"' for i in range(10))
    assert check(f"a = [{items}]").startswith('a = [\n  "element number 0",\n')
    assert check(f"a = f([{items}])").startswith('a = f([\n  "element number 0",\n')
    chain = check("a = if " + " && ".join(f"condition-{i}" for i in range(12)) + " then 1 else 2")
    assert all(len(line) <= 120 for line in chain.splitlines())
    body = check("function-of(first, second, third) = combine(first, second) + " + " + ".join(["something-else"] * 8))
    assert body.startswith("function-of(first, second, third) =\n  combine(")
    long = check('a = { b = "' + "x" * 200 + '" }')
    assert long == 'a = {\n  b = "' + "x" * 200 + '"\n}\n'


def test_trailing_spaces_in_strings_are_kept() -> None:
    assert check('a = f(""" = \n  b \n  """)\n') == 'a = f(""" = \n  b \n  """)\n'
    assert check('a = """ \n    b \n    """\n') == 'a = """\n  b \n"""\n'


def test_meaning_differs_for_different_texts() -> None:
    trees = [
        meaning(parse(Source("t", f"a = {text}"), None))
        for text in ("1", "1.0", "true", '"1"', "[1]", "b", "r.a", "r.b")
    ]
    assert all(a != b for i, a in enumerate(trees) for b in trees[:i])


def test_texts_that_only_the_compiler_refuses_are_formatted() -> None:
    assert formatted("a=1\nb:int|null=a") == "a = 1\nb: int | null = a\n"


def test_formatting_deep_and_long_texts_terminates() -> None:
    check("a = " + "[" * 150 + "]" * 150)
    check("a = " + " + ".join(["1"] * 200))
    formatted("a = " + " + ".join(["1"] * 1000))
    check("\n".join(f"a{i} = {{ b = [{i}, {i}], c = f({i}) }}" for i in range(500)))


@pytest.mark.parametrize("name", [t for t in TEXTS if not t.startswith("tests/")])
def test_shipped_files_are_formatted(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert formatted(text) == text


# ---- one form


def respaced(text: str, random: Any) -> str:
    """Return a text with the same tokens, comments and line breaks, and other blanks."""
    parts, last, depth = [], 0, 0
    for kind, _, start, end in tokenize(Source("t", text)):
        if kind == "NL":
            continue
        gap = text[last:start]
        if not depth and "#" not in gap and gap:
            breaks = gap.count("\n")
            breaks += random.randrange(3) if breaks > 1 else 0
            gap = " \t"[random.randrange(2)] * random.randrange(3) + "\n" * breaks + " " * random.randrange(1, 9)
        depth += (kind == "STRING_START") - (kind == "STRING_END")
        parts += [gap, text[start:end]]
        last = end
    return "".join([*parts, text[last:]])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TEXTS), st.randoms())
def test_equal_tokens_have_one_form(name: str, random: Any) -> None:
    text = (REPOSITORY / name).read_text()
    try:
        wanted = format_source(Source("t", text), None)
    except EvalError:
        return
    assert format_source(Source("t", respaced(text, random)), None) == wanted


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(files(), st.randoms())
def test_equal_tokens_of_programs_made_by_chance_have_one_form(text: str, random: Any) -> None:
    try:
        wanted = format_source(Source("t", text), None)
    except EvalError:
        return
    assert format_source(Source("t", respaced(text, random)), None) == wanted
    assert format_source(Source("t", wanted), None) == wanted
