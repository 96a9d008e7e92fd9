"""Test that the table of variables in docs/shells.md is true."""

from __future__ import annotations

import re

from fpack.cli.shells.activation import variables
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs/shells.md"


def rows() -> list[str]:
    section = PAGE.read_text().partition("### Which variables are set")[2].partition("\n### ")[0]
    return [line for line in section.splitlines() if line.startswith("| ") and "| ---" not in line][1:]


def test_each_group_has_its_row() -> None:
    found = [re.sub(r"what shells use.*", "shells", row.split("|")[1].strip()) for row in rows()]
    assert [row.replace("you are", "the user is") for row in found] == list(variables.GROUPS)


def test_each_name_that_is_shown_stays_out() -> None:
    shown = [word for row in rows() for word in re.findall(r"(?<!but )`([A-Z_*]+)`", row)]
    assert len(shown) > 50
    for word in shown:
        assert not variables.may_leave(word.replace("*", "X")), word


def test_each_exception_that_is_shown_is_one() -> None:
    shown = [word for row in rows() for word in re.findall(r"but `([A-Z_]+)`", row)]
    assert shown
    assert all(word in variables.HARMLESS and variables.may_leave(word) for word in shown)


def test_each_pattern_has_a_use() -> None:
    """No name is listed that a beginning or an ending has anyway, and no exception that is none."""
    words = list(variables.patterns())
    assert len(words) == len(set(words))
    assert all(variables.is_name(word.strip("*")) and word.count("*") <= 1 for word in words)
    for word in variables.HARMLESS:
        assert any(word.startswith(w[:-1]) for w in words if w[-1] == "*") or any(
            word.endswith(w[1:]) for w in words if w[0] == "*"
        )
