"""Regular expressions: POSIX classes, no warnings, and searches in linear time with the results of `re`."""

from __future__ import annotations

import re
import warnings

import pytest
from fpack.lang.builtins import patterns
from fpack.lang.builtins.linear_match import LinearPattern, Unsupported
from fpack.lang.errors import EvalError
from fpack.lang.evaluator import Evaluator
from hypothesis import assume, given
from hypothesis import strategies as st

EVALUATOR = Evaluator(library=[])

SLOW = [
    ("(a+)+b", "a" * 300),
    ("(a|a)*b", "a" * 300),
    ("(a|aa)+b", "a" * 300),
    ("(.*)(.*)(.*)(.*)(.*)(.*)x", "ab" * 100),
    ("([a-z]+)*=", "abcdefgh" * 20),
    ("(?:\\d+,?)+;", "1,2,3,4,5,6,7" * 20),
    ("(x+x+)+y", "x" * 100),
    ("(?:a?){60}a{60}b", "a" * 61),
    ("(?=(?:a+)+b)a", "a" * 60),
]


@pytest.mark.parametrize(("pattern", "text"), SLOW)
def test_catastrophic_searches_end(pattern: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS_FIRST", 0.001)
    monkeypatch.setattr(patterns, "SECONDS", 0.001)
    escaped = pattern.replace("\\", "\\\\")
    assert EVALUATOR.expression(f'match("{text}", "{escaped}")') is None
    assert EVALUATOR.expression(f'replace-all("{text}!", "{escaped}", "")') == text + "!"
    assert EVALUATOR.expression(f'find-all("{text}", "{escaped}")') == []


def test_a_slow_match_has_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS_FIRST", 0.001)
    text = "a" * 40
    found = EVALUATOR.expression(f'match("{text}c-{text}", "((a+)+(b|c)|(a|a)*c)-(a|(a*)*)")')
    assert found == [text + "c", text, "c", None, text, ""]


def test_what_needs_backtracking_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS_FIRST", 0.001)
    monkeypatch.setattr(patterns, "SECONDS", 0.01)
    with pytest.raises(EvalError, match="takes too long") as caught:
        EVALUATOR.expression(f'match("{"a" * 60}", "((a+)+)+\\\\2b")')
    assert "0.01 seconds" in caught.value.why and caught.value.hint


def test_outside_of_an_evaluation_the_search_is_linear_at_once() -> None:
    assert patterns.fullmatch(re.compile("(a+)+b"), "a" * 60) is None


# ---- the results of `re`

ATOMS = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "[ab]",
        "[^a]",
        "\\w",
        "\\W",
        "\\b",
        "\\B",
        "^",
        "$",
        "\\Z",
        "",
        "\\d",
        "(?:)",
        "(?i:A)",
        "\\s",
        "é",
    ]
)


def _forms(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    times = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}"])
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("({})".format, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}|{})".format, inner, inner),
        st.builds("(?:{}){}".format, inner, times),
        st.builds("({}){}".format, inner, times),
        st.builds("(?{}{})".format, st.sampled_from(["=", "!", "<=", "<!"]), ATOMS),
        st.builds("(?m:{})".format, inner),
        st.builds("(?s:{})".format, inner),
    )


@given(st.recursive(ATOMS, _forms, max_leaves=8), st.lists(st.text("ab1é \n", max_size=7), min_size=1, max_size=4))
def test_linear_matches_are_those_of_re(written: str, texts: list[str]) -> None:
    try:
        pattern = re.compile(written)
        program = LinearPattern(pattern)
    except (re.error, Unsupported):
        assume(False)
    for text in texts:
        found = pattern.fullmatch(text)
        assert program.fullmatch(text) == (found and found.regs)
        assert program.finditer(text) == [m.regs for m in pattern.finditer(text)]


@pytest.mark.parametrize("written", ["(a)\\1", "(?>a)b", "a*+b", "(a)?(?(1)b|c)", "(?=(a))a", "(?:a{1000}){1000}"])
def test_what_is_not_regular_is_not_supported(written: str) -> None:
    with pytest.raises((Unsupported, OverflowError)):
        LinearPattern(re.compile(written))


# ---- sets

POSIX = {
    "alnum": str.isalnum, "alpha": str.isalpha, "digit": str.isdigit, "lower": str.islower, "upper": str.isupper,
    "blank": " \t".__contains__, "space": " \t\n\r\f\v".__contains__, "xdigit": "0123456789abcdefABCDEF".__contains__,
    "cntrl": lambda c: ord(c) < 32 or ord(c) == 127, "print": lambda c: 32 <= ord(c) < 127,
    "graph": lambda c: 32 < ord(c) < 127, "word": lambda c: c.isalnum() or c == "_",
    "punct": lambda c: 32 < ord(c) < 127 and not c.isalnum(),
}  # fmt: skip


@pytest.mark.parametrize("name", POSIX)
def test_posix_classes(name: str) -> None:
    one, none = patterns.compiled(f"[[:{name}:]]"), patterns.compiled(f"[^[:{name}:]]")
    for code in range(1, 128):
        wanted = bool(POSIX[name](chr(code)))
        assert (one.fullmatch(chr(code)) is not None) is wanted, chr(code)
        assert (none.fullmatch(chr(code)) is None) is wanted, chr(code)
    assert one.fullmatch("é") is None


def test_posix_classes_beside_others() -> None:
    pattern = patterns.compiled("[_[:digit:]x-z[:space:]-]+")
    assert pattern.fullmatch("_1 y-") and not pattern.fullmatch("a") and not pattern.fullmatch(":")
    assert patterns.compiled("[]a]+").fullmatch("]a") and patterns.compiled("\\[[:alpha:]").fullmatch("[:")


def test_an_unknown_class_is_an_error() -> None:
    with pytest.raises(EvalError, match="not valid") as caught:
        EVALUATOR.expression('match("a", "[[:letter:]]")')
    assert "alnum" in caught.value.why


MEMBERS = st.lists(st.sampled_from([*"ab-&~|[^]+z", "\\d", "\\]", "--", "&&", "||", "[["]), min_size=1, max_size=6)


@given(MEMBERS.map(lambda parts: f"[{''.join(parts)}]"))
def test_sets_give_no_warning_and_keep_their_meaning(written: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = re.compile(written)
        except re.error:
            assume(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = patterns.compiled(written)
    for character in "abz+-&~|[]^d5\\":
        for text in (character, f"{character}]", f"{character}a]"):
            assert bool(found.fullmatch(text)) is bool(wanted.fullmatch(text))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("[A-Za-z][A-Za-z0-9+.-]*:.+", "https://example.org/" + "a" * 60),
        ("[0-9a-f]{64}", "a" * 64),
        ("(.*)-([0-9.]+)", "libz-1.3"),
        ("([0-9]{1,5})(-([0-9]{1,5}))?(/(tcp|udp|sctp))?", "8000-8010/tcp"),
        ("(?s).*/fpack/store/.*", "x" * 500),
    ],
)
def test_a_short_search_has_no_limit_of_time(pattern: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "interruptible", None)
    found = re.fullmatch(pattern, text)
    assert patterns.fullmatch(patterns.compiled(pattern), text) == (found and found.regs)


@pytest.mark.parametrize(
    ("pattern", "length"), [("(a+)+", 30), ("(a|aa){9}", 30), ("(?x)(a+) +", 30), (".*.*.*.*b", 3000), ("a?" * 30, 9)]
)
def test_a_search_that_may_take_long_has_a_limit(pattern: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(patterns, "interruptible", lambda search, seconds, unlimited=True: calls.append(seconds))
    patterns.fullmatch(patterns.compiled(pattern), "a" * length)
    assert calls
