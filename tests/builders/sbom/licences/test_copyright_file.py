"""Copyright files: Debian's machine-readable format with its deviations, and prose."""

from __future__ import annotations

import re

import pytest
from fpack.builders.sbom.licences.copyright_file import read_copyright
from fpack.builders.sbom.model import CopyrightFacts
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression

HEADER = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
OR_LATER = """\
 This program is free software; you can redistribute it and/or modify it
 under the terms of the GNU General Public License as published by the
 Free Software Foundation; either version 2 of the License, or (at your
 option) any later version.
"""


def read(text: str, package: str = "pkg") -> CopyrightFacts:
    """Read a machine-readable file, and check what holds for all files."""
    return checked(read_copyright(HEADER + text, package))


def checked(facts: CopyrightFacts) -> CopyrightFacts:
    expressions = [facts.declared.expression, *[stanza.expression for stanza in facts.stanzas]]
    for expression in filter(None, expressions):
        assert canonicalize_license_expression(expression) == expression
    used = set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", " ".join(expressions)))
    assert used == {text.id for text in facts.texts}
    assert all(text.text for text in facts.texts)
    return facts


def declared(text: str) -> str:
    return read(text).declared.expression


def test_a_machine_readable_file() -> None:
    facts = read(
        "Upstream-Name: Example\nUpstream-Contact: Jane Doe\n <jane@example.org>\nSource: https://example.org/\n\n"
        "Files: *\nCopyright: 2001 Jane Doe\n           2002, 2003 John Roe\nLicense: GPL-2+\n\n"
        "Files: debian/*\n       doc/*.txt\nCopyright: 2004 Jane Doe\nLicense: Expat\n\n"
        f"License: GPL-2+\n{OR_LATER}\n"
        "License: Expat\n See the file LICENSE.\n"
    )
    assert facts.machine_readable
    assert facts.declared == ("GPL-2+, and Expat", "GPL-2.0-or-later AND MIT")
    assert facts.stanzas == (
        (("*",), "GPL-2+", "GPL-2.0-or-later", "2001 Jane Doe\n2002, 2003 John Roe"),
        (("debian/*", "doc/*.txt"), "Expat", "MIT", "2004 Jane Doe"),
    )
    assert facts.texts == ()
    assert facts.copyright == "2001 Jane Doe\n2002, 2003 John Roe\n2004 Jane Doe"
    assert facts[-3:] == ("Example", "Jane Doe <jane@example.org>", "https://example.org/")


def test_a_licence_without_a_known_name_is_a_reference_with_its_text() -> None:
    facts = read(
        "\nFiles: *\nCopyright: x\nLicense: public-domain\n It is in the public domain.\n .\n  * No copyright.\n\n"
        "Files: a\nCopyright: y\nLicense: Odd or ISC\n\nLicense: Odd\n Do as you like.\n"
    )
    assert facts.declared.expression == "LicenseRef-debian-pkg-1 AND (LicenseRef-debian-pkg-2 OR ISC)"
    assert facts.texts == (
        ("LicenseRef-debian-pkg-1", "public-domain", "It is in the public domain.\n\n * No copyright."),
        ("LicenseRef-debian-pkg-2", "Odd", "Do as you like."),
    )


def test_an_exception_that_spdx_does_not_have() -> None:
    facts = read("\nFiles: *\nCopyright: x\nLicense: GPL-2+ with OpenSSL exception\n You may link with OpenSSL.\n")
    assert facts.declared.expression == "GPL-2.0-or-later AND LicenseRef-debian-pkg-1"
    assert facts.texts[0][1:] == ("GPL-2+ with OpenSSL exception", "You may link with OpenSSL.")
    assert declared("\nFiles: *\nLicense: GPL-2 with Linux-syscall-note exception\n") == (
        "GPL-2.0-only WITH Linux-syscall-note"
    )
    # An expression can have no exception.
    assert declared("\nFiles: *\nLicense: Perl with Classpath-exception-2.0\n") == (
        "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND LicenseRef-debian-pkg-1"
    )


def test_a_name_that_is_not_certain_is_one_reference() -> None:
    facts = read("\nFiles: *\nLicense: GPL-2+ and/or Expat\n As you see.\n")
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts == (("LicenseRef-debian-pkg-1", "GPL-2+ and/or Expat", "As you see."),)


def test_a_text_that_contradicts_its_name() -> None:
    facts = read(f"\nFiles: *\nLicense: GPL-2\n{OR_LATER}")
    assert facts.declared == ("GPL-2", "LicenseRef-debian-pkg-1")
    assert "any later version" in facts.texts[0].text


def test_a_choice_in_the_text_of_a_choice() -> None:
    text = OR_LATER.replace("This program is", " Alternatively, it is")
    assert declared(f"\nFiles: *\nLicense: CC0-1.0 or GPL-2+\n See CC0.\n .\n{text}") == "CC0-1.0 OR GPL-2.0-or-later"


def test_parts_without_a_text_of_their_own_share_the_text_of_the_whole() -> None:
    facts = read("\nFiles: *\nLicense: Odd or Strange\n Take your pick.\n")
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts == (("LicenseRef-debian-pkg-1", "Odd or Strange", "Take your pick."),)


def test_a_missing_text_is_replaced_by_the_stanza() -> None:
    facts = read("\nFiles: a\nCopyright: x\nLicense: Odd\n")
    assert facts.texts == (("LicenseRef-debian-pkg-1", "Odd", "Files: a\nCopyright: x\nLicense: Odd"),)
    facts = read("\nFiles: a\nCopyright: x\n")
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"


def test_two_texts_of_one_name() -> None:
    facts = read("\nFiles: a\nLicense: own\n One.\n\nFiles: b\nLicense: own\n Two.\n\nFiles: c\nLicense: own\n")
    assert [text.text for text in facts.texts] == ["One.", "Two."]
    assert [stanza.expression[-1] for stanza in facts.stanzas] == ["1", "2", "1"]


def test_the_header_declares_the_licence_of_the_package() -> None:
    facts = read("License: GPL-3+\n\nFiles: *\nLicense: ISC\n")
    assert facts.declared == ("GPL-3+", "GPL-3.0-or-later")
    assert facts.stanzas[0].expression == "ISC"
    # Prose about the files declares nothing.
    assert declared("License:\n Different files have different licences.\n\nFiles: *\nLicense: ISC\n") == "ISC"


@pytest.mark.parametrize(
    "text",
    [
        "\nCopyright: x\nLicense: ISC\n",  # without Files
        "\nLicense: ISC\n",
        "License: ISC\n",
        "\r\nFiles: *\r\nLicense: ISC\r\n",
        "\n  \t\nfiles: *\nLICENSE:ISC\n",
        "\n# a comment\nFiles: *\n# another\nLicense: ISC\n",
        "\nFiles: *\nLicense: ISC\n see\n\n the file\n",  # an empty line in the text
        "\n\n\nFiles: *,\nLicense:   ISC   \n\n\n",
    ],
)
def test_deviations(text: str) -> None:
    assert declared(text) == "ISC"


@pytest.mark.parametrize(
    "text",
    [
        "\nFiles: *\nLicense: ISC\nLicense: Odd\n",  # which one?
        "\nFiles: *\nLicense: ISC\nand you may not sell it\n",  # a line of no field
        "\nFiles: *\nLicense:\n",
    ],
)
def test_malformed_stanzas_are_not_guessed_at(text: str) -> None:
    facts = read(text)
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts[0].text == text.strip()


def test_a_file_without_licences_is_a_reference() -> None:
    facts = read("Comment: All rights reserved.\n")
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts[0].text == f"{HEADER}Comment: All rights reserved."


def test_prose_between_stanzas_is_not_lost() -> None:
    facts = read("\nFiles: *\nLicense: ISC\n\nBut the pictures are not free.\n")
    assert facts.declared.expression == "ISC AND LicenseRef-debian-pkg-1"
    assert facts.texts[0].text == "But the pictures are not free."


@pytest.mark.parametrize(
    "line",
    [
        "Format: http://www.debian.org/doc/packaging-manuals/copyright-format/1.0",
        "Format: http://dep.debian.net/deps/dep5/",
        "Format-Specification: http://svn.debian.org/wsvn/dep/web/deps/dep5.mdwn?op=file&rev=174",
        "Format: http://wiki.debian.org/Proposals/CopyrightFormat",
    ],
)
def test_old_formats(line: str) -> None:
    facts = checked(read_copyright(f"\ufeff{line}\n\nFiles: *\nLicense: ISC\n", "pkg"))
    assert (facts.machine_readable, facts.declared.expression) == (True, "ISC")


@pytest.mark.parametrize(
    ("package", "prefix"),
    [("libstdc++6", "libstdc.2B.2B6"), ("a.b-c", "a.b-c"), ("Ä/B\n", ".C3.84.2F.42.0A"), ("", "")],
)
def test_references_are_valid_for_any_name(package: str, prefix: str) -> None:
    facts = read("\nFiles: *\nLicense: Odd\n", package)
    assert facts.declared.expression == f"LicenseRef-debian-{prefix}-1"


PROSE = f"""\
This package was debianized by Jane Doe <jane@example.org> on Mon, 1 Jan 2001.

It was downloaded from https://example.org/example/

Upstream Author: John Roe <john@example.org>

Copyright (C) 2000, 2001 John Roe

{OR_LATER}
On Debian systems, the complete text of the GNU General Public License
can be found in /usr/share/common-licenses/GPL-2.
"""


def test_prose() -> None:
    facts = checked(read_copyright(PROSE, "pkg"))
    assert not facts.machine_readable
    assert facts.declared == ("", "GPL-2.0-or-later")
    assert facts.copyright == "Copyright (C) 2000, 2001 John Roe"
    assert (facts.upstream_contact, facts.source) == ("John Roe <john@example.org>", "https://example.org/example/")


def test_prose_that_says_more_has_a_reference_to_all_of_it() -> None:
    text = f"{PROSE}\nThe pictures are free too.\n"
    facts = checked(read_copyright(text, "pkg"))
    assert facts.declared.expression == "GPL-2.0-or-later AND LicenseRef-debian-pkg-1"
    assert facts.texts == (("LicenseRef-debian-pkg-1", "", text),)


def test_prose_that_only_mentions_a_licence() -> None:
    text = "Released under the GPL; see /usr/share/common-licenses/GPL-3.\n"
    facts = checked(read_copyright(text, "pkg"))
    assert facts.declared.expression == "LicenseRef-debian-pkg-1"
    assert facts.texts[0].text == text


def test_an_empty_file_says_nothing() -> None:
    facts = checked(read_copyright(" \n\n", "pkg"))
    assert facts.declared == ("", "")


NAMES = st.sampled_from(
    ["GPL-2+", "Expat", "public-domain", "GPL", "or", "and", "and/or", ",", "|", "(", ")", "with", "OpenSSL exception"]
    + ["Artistic", "Perl", "GPL-2+-with-x", "or later", "é", "LicenseRef-x", "MPL-1.1+", "License: x", "GFDL-NIV-1.3"]
)
LINES = st.one_of(
    st.lists(NAMES, max_size=7).map(lambda names: f"License: {' '.join(names)}"),
    st.sampled_from(["", " .", " text", "Files: *", "Files: a b", "Copyright: x", "stray", "# comment", OR_LATER]),
    st.text(max_size=20),
)


@given(st.lists(LINES, max_size=12).map("\n".join), st.text(max_size=8))
def test_any_file_has_valid_expressions_and_all_texts(text: str, package: str) -> None:
    checked(read_copyright(text, package))
    facts = read(f"\n{text}", package)
    assert facts == read(f"\n{text}", package)
