"""Tokens: where they are, and what becomes of strings and new lines."""

from __future__ import annotations

import pytest
from fpack.lang.errors import EvalError
from fpack.lang.syntax.lexer import MAX_NESTING, dedent, tokenize
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from hypothesis import given
from hypothesis import strategies as st


def kinds(text: str) -> list[str]:
    return [token[0] for token in tokenize(Source("t", text))]


def test_tokens_have_their_positions_in_the_text() -> None:
    text = 'ab = [12, "x",\n ./p/q ] # c\n'
    for kind, value, start, end in tokenize(Source("t", text)):
        if kind in ("NAME", "PATH"):
            assert text[start:end] == value
        elif kind == "INT":
            assert text[start:end] == "12" and value == 12
        elif kind == "STRING":
            assert text[start:end] == '"x"' and value == "x"


def test_line_breaks_are_tokens_between_fields_only() -> None:
    assert kinds("a = 1\nb = 2") == ["NAME", "=", "INT", "NL", "NAME", "=", "INT"]
    assert kinds("a =\n 1\n\n\n+ 2 # x\n") == ["NAME", "=", "INT", "OP", "INT"]
    assert kinds("[1,\n2\n]") == ["[", "INT", ",", "INT", "]"]
    assert "NL" in kinds("let a = 1\n b = 2 in a")
    assert "NL" not in kinds("(x\n y)")
    assert "NL" in kinds("(let a = 1\n b = 2\n in a)")
    assert kinds("if a\nthen b\nelse c").count("NL") == 0


def test_the_bracket_of_a_call_is_on_the_callees_line() -> None:
    assert "CALL_BRACE" in kinds("f { }") and "CALL_PAREN" in kinds("f (x)")
    assert "LBRACE" in kinds("[f\n{ }]") and "LPAR" in kinds("[f\n(x)]")
    assert "LBRACE" in kinds("x = { }") and "LPAR" in kinds("a + (b)")


def test_keywords_can_be_field_names() -> None:
    assert kinds("r.if") == ["NAME", ".", "NAME"]
    assert kinds("{ in = 1 }")[1] == "NAME"
    assert kinds("if == 1")[0] == "if"


def test_strings_nest() -> None:
    found = kinds('"a ${ { x = "b ${c} }" }.x } d"')
    assert found.count("STRING_START") == 2 and found.count("STRING_END") == 2 and found.count("INTERP_END") == 2


@pytest.mark.parametrize("bad", ["\0", "\x1b", "\u202e", "\u2066", "\r", "\x7f"])
def test_invisible_characters_are_refused(bad: str) -> None:
    with pytest.raises(EvalError, match="invisible") as caught:
        tokenize(Source("t", f'x = 1\ny = "{bad}"'))
    assert (caught.value.line, caught.value.column) == (2, 6)


def test_nesting_has_a_limit() -> None:
    tokenize(Source("t", "[" * MAX_NESTING + "]" * MAX_NESTING))
    with pytest.raises(EvalError, match="nested"):
        tokenize(Source("t", "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)))


def test_dedent_examples() -> None:
    assert dedent(["\n    a\n      b\n    "]) == ["a\n  b\n"]
    assert dedent(["\n    a ", " b\n   c"]) == [" a ", " b\nc"]
    assert dedent(["a\n  b"]) == ["a\nb"]
    assert dedent(["\n\ta\n  b"]) == ["\ta\n  b"]
    assert dedent([""]) == [""]
    assert dedent(["\n  "]) == [""]


LINES = st.lists(st.text(alphabet=" ab\t", max_size=6), max_size=6)


@given(LINES, st.text(alphabet=" \t", max_size=4))
def test_dedent_undoes_a_common_indentation(lines: list[str], margin: str) -> None:
    plain = "\n" + "\n".join(lines)
    moved = "\n" + "\n".join(margin + line if line.strip() else line for line in lines)
    assert dedent([plain]) == dedent([moved])


@given(st.lists(st.text(alphabet=" a\n", max_size=5), min_size=1, max_size=4))
def test_dedent_keeps_all_other_characters(chunks: list[str]) -> None:
    found = dedent(chunks)
    assert len(found) == len(chunks)
    for before, after in zip(chunks, found, strict=True):
        assert before.replace(" ", "").replace("\n", "") == after.replace(" ", "").replace("\n", "")


@given(st.text())
def test_any_text_is_tokens_or_an_error_with_a_position(text: str) -> None:
    try:
        tokens = tokenize(Source("t", text))
    except EvalError as error:
        assert error.line >= 1 and error.column >= 1
        return
    places = [(start, end) for _, _, start, end in tokens]
    assert all(0 <= start <= end <= len(text) for start, end in places)
    assert places == sorted(places)


@pytest.mark.parametrize(
    "text", ["a = r.${k}\nb = 1", "a = { x = r.${k}\n  y = 2 }", "a = r.${k}(1)", "a = r.${k} { b = 1 }"]
)
def test_a_computed_selection_ends_a_value(text: str) -> None:
    parse(Source("t", text), None)


def test_a_computed_name_can_span_lines() -> None:
    parse(Source("t", "${\n  k\n} = 1\na = { ${\n  k\n} = r.${\n  k\n}\n}"), None)
