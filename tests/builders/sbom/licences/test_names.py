"""Names of licences become identifiers of SPDX only if name and text leave no doubt."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.licences import spdx_ids
from fpack.builders.sbom.licences.full_texts import FULL_TEXTS
from fpack.builders.sbom.licences.names import identify, identify_exception
from fpack.builders.sbom.licences.notices import read_notices
from fpack.builders.sbom.licences.wording import normalise
from packaging.licenses import EXCEPTIONS, LICENSES


def named(name: str, text: str = "") -> str:
    return identify(name, normalise(text), read_notices(text))


def test_the_list_is_spdx_without_deprecated_identifiers() -> None:
    assert {identifier.lower() for identifier in spdx_ids.LICENCES} <= {
        key for key, entry in LICENSES.items() if not entry["deprecated"]
    }
    assert {identifier.lower() for identifier in spdx_ids.EXCEPTIONS} <= {
        key for key, entry in EXCEPTIONS.items() if not entry["deprecated"]
    }
    assert {text.id for text in FULL_TEXTS} <= spdx_ids.LICENCES


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("GPL-1+", "GPL-1.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("gpl-3.0-only", "GPL-3.0-only"),
        ("LGPL-2+", "LGPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-1.2+", "GFDL-1.2-or-later"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("GFDL-1.3+-no-invariants", "GFDL-1.3-no-invariants-or-later"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("Apache-2", "Apache-2.0"),
        ("CC0", "CC0-1.0"),
        ("CC-BY-SA-3.0", "CC-BY-SA-3.0"),
        ("MPL-1.1+", "MPL-1.1+"),
        ("Zlib", "Zlib"),
        ("ISC", "ISC"),
        ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ],
)
def test_short_names(name: str, expression: str) -> None:
    assert named(name) == expression


@pytest.mark.parametrize(
    "name",
    [
        "GPL",  # which version?
        "GPL-any",
        "LGPL",
        "GPL-4",
        "GPL-2.1",
        "LGPL-1",
        "Apache",
        "BSD",
        "BSD-like",
        "BSD-3-clause-Berkeley",
        "MIT",  # there are many
        "MIT/X11",
        "X11",
        "Artistic",  # of Perl, or the original?
        "OPL-1+",  # Open Publication License, or Open Public License?
        "OPL-1.0",
        "public-domain",
        "public-domain-md5",
        "Intel",  # a company, and an identifier of SPDX
        "Vim",
        "permissive",
        "other",
        "LicenseRef-x",
        "GPL-2.0-or-later+",
    ],
)
def test_names_that_are_not_certain(name: str) -> None:
    assert named(name) == ""


ISC = """Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE."""
OR_LATER = (
    "This program is free software; you can redistribute it and/or modify it under the terms of the GNU General Public"
    " License as published by the Free Software Foundation; either version 2 of the License, or (at your option) any"
    " later version."
)


def test_a_text_that_contradicts_the_name() -> None:
    assert named("ISC", ISC) == "ISC"
    assert named("Expat", ISC) == ""
    assert named("BSD-2-clause", ISC) == ""
    # A much shorter text is another one, too.
    assert named("Expat", f"Permission to use this for any purpose is granted, if {'you tell ' * 20} us.") == ""
    # The disclaimer is another one.
    assert named("ISC", ISC.replace("ALL WARRANTIES WITH", "SOME WARRANTIES WITH")) == ""
    assert named("GPL-2+", OR_LATER) == "GPL-2.0-or-later"
    assert named("GPL-2", OR_LATER) == ""
    assert named("GPL-3+", OR_LATER) == ""
    assert named("GPL-2+", OR_LATER.replace("either version 2", "version 2").partition(", or")[0] + ".") == ""
    assert named("GFDL-NIV-1.3", "under the GFDL, version 1.3 or any later version; with no Invariant Sections") == ""


def test_a_short_text_names_a_file() -> None:
    assert named("BSD-3-clause", "See /usr/share/common-licenses/BSD") == "BSD-3-Clause"
    assert named("GPL-2+", "See /usr/share/common-licenses/GPL-2") == "GPL-2.0-or-later"


def test_a_text_that_tells_which_licence_an_uncertain_name_means() -> None:
    assert named("GPL", OR_LATER) == "GPL-2.0-or-later"
    assert named("permissive", ISC) == "ISC"
    assert named("MIT", ISC) == ""
    assert named("public-domain", ISC) == ""
    of_perl = "This is free software under the terms of the Artistic License, which comes with Perl."
    assert named("Artistic", of_perl) == "Artistic-1.0-Perl"
    assert named("Artistic", "The complete text is in /usr/share/common-licenses/Artistic .") == "Artistic-1.0-Perl"
    assert named("permissive", ISC + "\n\nMilitary use is forbidden.") == ""


@pytest.mark.parametrize(
    ("name", "text", "identifier"),
    [
        ("Linux-syscall-note exception", "", "Linux-syscall-note"),
        ("LLVM exception", "", "LLVM-exception"),
        ("Autoconf-exception-macro", "", "Autoconf-exception-macro"),
        ("OpenSSL exception", "gives permission to link the code with the OpenSSL library", ""),
        ("Bison exception", "", ""),  # of which version?
        (
            "Bison exception",
            "You may create a larger work that contains part or all of the Bison parser skeleton",
            "Bison-exception-2.2",
        ),
        ("Font exception", "If you create a document which uses this font, and embed it", "Font-exception-2.0"),
        ("exceptions", "If you create a document which uses this font, and embed it", ""),
    ],
)
def test_exceptions(name: str, text: str, identifier: str) -> None:
    assert identify_exception(name, normalise(text)) == identifier
