"""Test the parser of deb822 control data, including malformed data."""

from __future__ import annotations

import time

import pytest
from fpack.builders.debian.control import ControlError, parse_stanza, stanzas


def test_a_stanza() -> None:
    text = "Package: a\nDepends:b,\n c\nDescription: short\n long text\n .\n more\n# a comment\nX-Y: \n"
    assert parse_stanza(text) == {
        "package": "a",
        "depends": "b,\nc",
        "description": "short\nlong text\n.\nmore",
        "x-y": "",
    }


def test_stanzas_are_divided_by_blank_lines() -> None:
    text = "\n\nA: 1\r\n\r\n# only a comment\n\n \nB: 2\n\n\n"
    assert list(stanzas(text)) == [{"a": "1"}, {"b": "2"}]
    assert list(stanzas("")) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Package: a\nPackage: b", "line 2: duplicate field Package"),
        ("Package: a\npackage: b", "line 2"),
        (" continued", "line 1: a continuation line"),
        ("A: 1\nno field", "line 2: not a field"),
        ("A: 1\n: 2", "line 2"),
        ("A B: 1", "line 1"),
        ("-A: 1", "line 1"),
        ("A: " + "a" * (17 << 20), "limits"),
        ("A: a\n" + " b\n" * 600_000, "limits"),
    ],
)
def test_malformed(text: str, why: str) -> None:
    with pytest.raises(ControlError) as caught:
        parse_stanza(text, "the file")
    assert why in caught.value.why
    assert caught.value.where == "the file"


def test_a_field_of_many_lines_takes_no_time() -> None:
    begun = time.process_time()
    fields = parse_stanza("A: a\n" + " x\n" * 500_000)
    assert fields["a"].count("\n") == 500_000
    assert time.process_time() - begun < 5
