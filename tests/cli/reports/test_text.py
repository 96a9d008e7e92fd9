"""Text of others is visible and bounded before it is in a page."""

from __future__ import annotations

import pytest
from fpack.cli.reports.text import listed, visible, web_address
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("usr/bin/dash", "usr/bin/dash"),
        ("tab\tand\nline", "tab\\x09and\\x0aline"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\U000e0041", "\\U000e0041"),
        ("שלום", "שלום"),
        ("é e\u0301", "é e\u0301"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_marks_do_not_stack_without_end() -> None:
    assert visible("e" + "\u0301" * 5) == "e\u0301\u0301" + "\\u0301" * 3


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.integers(20, 400))
def test_the_result_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert shown.isprintable() and shown.encode().decode() == shown
    assert len(shown) <= 10 * limit + 40


def test_a_long_text_keeps_both_ends_and_tells_how_much_is_left_out() -> None:
    assert visible("a" * 100 + "b" * 100, 20) == "a" * 10 + " […180 characters…] " + "b" * 10


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://www.postgresql.org/", True),
        ("http://example.org/a?b=c#d", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        (" https://example.org", False),
        ("data:text/html,x", False),
        ("https://user:password@example.org/", False),
        ("https://example.org/\n", False),
        ('https://example.org/" onclick="x', False),
        ("https://[broken/", False),
        ("https://" + "a" * 600, False),
        ("https:///path", False),
        ("https://exämple.org/", False),
    ],
)
def test_only_addresses_of_web_pages_are_links(text: str, good: bool) -> None:
    assert bool(web_address(text)) == good


def test_a_list_tells_how_many_more_there_are() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
