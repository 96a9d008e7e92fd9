"""Copyright files made to use time and memory, or to end up as something else in a document.

Every input is long enough to make a step that is worse than linear take minutes.
"""

from __future__ import annotations

import pytest
from fpack.builders.sbom.licences import copyright_file
from fpack.builders.sbom.licences.copyright_file import read_copyright
from fpack.builders.sbom.model import CopyrightFacts

HEADER = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
MANY = 8_000


def size(facts: CopyrightFacts) -> int:
    """Return the characters of the texts and expressions in a result."""
    return (
        sum(len(text.text) + len(text.name) for text in facts.texts)
        + sum(len(stanza.expression) for stanza in facts.stanzas)
        + len(facts.declared.expression)
    )


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"Files: a{number}\nLicense: x{number}\n\n" for number in range(MANY)),
        "".join(f"License: {number}\n\n" for number in range(MANY)),
        "Files: *\nLicense: x\n\n" * MANY,
        "Files: *\nLicense: x\n\n" + " text\n\n" * MANY,
        "stray\n\n" * MANY,
        "Files: *\nLicense: " + " or ".join(f"x{number}" for number in range(MANY)),
        "Files: *\nLicense: " + " or ".join(f"x{number}" for number in range(900)) + "\n" + " words of a text\n" * MANY,
        "Files: *\nLicense: " + "(" * MANY + "x" + ")" * MANY,
        "Files: *\n" + "License: x\n" * MANY,
        "Files: " + "a*b " * MANY + "\nLicense: x\n",
        ":" * MANY * 10,
        "a:" * MANY,
    ],
)
def test_stanzas(text: str) -> None:
    facts = read_copyright(HEADER + text, "pkg")
    assert facts.declared.expression
    assert size(facts) < 40 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "Permission is hereby granted, free of charge, to any person " * (MANY // 4),
        "Redistribution and use in source and binary forms, with or without modification, are " * (MANY // 4),
        "Neither the name a " * MANY,
        "modify it under the terms of the GNU General Public License as published by " * (MANY // 4),
        "modify it under the terms of the GNU General Public License version 2 or later " * (MANY // 4),
        "For the purposes of this copyright " * (MANY // 4),
        "you should have received a copy of the GNU General Public License along with x " * (MANY // 4),
        "Copyright (C) 2001 X\n" * MANY,
        "Upstream Author: \n" * MANY,
        "downloaded from \n" * MANY,
        "either the " * MANY,
        "either " + "the a " * MANY,
        "- " * MANY + "x",
        "a-\n" * MANY,
        "-" * MANY * 10 + "x",
        "x" * MANY * 10,
        " " * MANY * 10 + "x",
    ],
)
def test_prose(text: str) -> None:
    facts = read_copyright(text, "pkg")
    assert facts.declared.expression
    assert size(facts) < 2 * len(text) + 1000


def test_a_file_over_the_limit_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copyright_file, "MAX_SIZE", 50)
    facts = read_copyright(f"{HEADER}Files: *\nLicense: ISC\n", "pkg")
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts[0].text == f"{HEADER[:50]}\n[The first 50 of {len(HEADER) + 22} characters]\n"


def test_control_characters_and_bytes_that_are_no_text() -> None:
    data = HEADER.encode() + b"Files: *\nCopyright: \x1b[31mJane \xff\x00Doe\nLicense: od\x07d\n a\x0cb\x85\xc2\x85\r\n"
    for errors in ("replace", "surrogateescape"):
        facts = read_copyright(data.decode("utf-8", errors), "pkg")
        everything = repr(facts).encode().decode()  # no lone surrogates
        shown = "".join([facts.copyright, facts.declared.original, *[text.text + text.name for text in facts.texts]])
        assert all(character.isprintable() or character == "\n" for character in shown), everything
        assert facts.copyright == "\ufffd[31mJane \ufffd\ufffdDoe"
