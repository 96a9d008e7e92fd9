"""A notice counts only if all of its words are there; what may be about licences and is no notice is the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fpack.builders.sbom.licences import notices
from fpack.builders.sbom.licences.full_texts import FULL_TEXTS, describe, find_texts
from fpack.builders.sbom.licences.known_notices import PERL
from fpack.builders.sbom.licences.notices import read_notices

GPL = """\
This program is free software; you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by
the Free Software Foundation; either version 2 of the License, or
(at your option) any later version.
"""
WARRANTY = """\
This program is distributed in the hope that it will be useful,
but WITHOUT ANY WARRANTY; without even the implied warranty of
MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
GNU General Public License for more details.

You should have received a copy of the GNU General Public License along
with this program; if not, write to the Free Software Foundation, Inc.,
51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA.

On Debian systems, the complete text of the GNU General Public License
version 2 can be found in `/usr/share/common-licenses/GPL-2'.
"""
CONDITIONS = """\
Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions
are met:
1. Redistributions of source code must retain the above copyright
   notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright
   notice, this list of conditions and the following disclaimer in the
   documentation and/or other materials provided with the distribution.
"""
ADVERTISING = """\
3. All advertising materials mentioning features or use of this software
   must display the following acknowledgement:
     This product includes software developed by %s.
"""
NAMES = """\
4. Neither the name of the Example Institute nor the names of its contributors
   may be used to endorse or promote products derived from this software
   without specific prior written permission.
"""
DISCLAIMER = """\
THIS SOFTWARE IS PROVIDED BY THE EXAMPLE INSTITUTE ``AS IS'' AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT
SHALL THE AUTHOR BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL,
EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT
OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT,
STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY
OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


def granted(text: str) -> tuple[str, ...]:
    return read_notices(text).granted


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        (CONDITIONS + DISCLAIMER, "BSD-2-Clause"),
        (CONDITIONS + NAMES + DISCLAIMER, "BSD-3-Clause"),
        (CONDITIONS + ADVERTISING % "Example" + NAMES + DISCLAIMER, "BSD-4-Clause"),
        (
            CONDITIONS
            + ADVERTISING % "the University of\n California, Berkeley and its contributors"
            + NAMES
            + DISCLAIMER,
            "BSD-4-Clause-UC",
        ),
        (GPL, "GPL-2.0-or-later"),
        (GPL + "\n" + WARRANTY, "GPL-2.0-or-later"),
        (GPL.replace("2", "3").replace("General", "Lesser General"), "LGPL-3.0-or-later"),
        (GPL.replace("2", "2.1").replace("General", "Lesser General"), "LGPL-2.1-or-later"),
        (GPL.replace("either", "").replace("or\n(at your option) any later version", ""), "GPL-2.0-only"),
        ("Licensed under the GNU GPL, either version 3 or, at your option, any later version.", "GPL-3.0-or-later"),
        ("You can redistribute it and/or modify it under the same terms as Perl itself.", PERL),
    ],
)  # fmt: skip
def test_known_notices(text: str, identifier: str) -> None:
    read = read_notices(
        f"Copyright (C) 2001-2003 Jane Doe <jane@example.org>\n              and Example Institute\n\n{text}"
    )
    assert read.granted == (identifier,)
    assert read.rest == ""


def test_comment_markers_case_and_hyphens_do_not_count() -> None:
    text = CONDITIONS + NAMES + DISCLAIMER
    assert granted(text.upper().replace("DOCUMENTATION", "DOCUMEN-\n  TATION")) == ("BSD-3-Clause",)
    for mark in (" * ", "# ", "// ", "    "):
        assert granted("".join(f"{mark}{line}\n" for line in text.split("\n"))) == ("BSD-3-Clause",)


@pytest.mark.parametrize(
    "text",
    [
        "This program is free software. See the GPL version 2 or later for what that means.",
        "The GNU General Public License can be found in /usr/share/common-licenses/GPL-2.",
        "Available under the GPL.",
        "It is not licensed under the GPL version 2.",
        "It was distributed under the terms of the GNU GPL version 2 or later.",
        "Unless it is licensed under the GPL version 2 or later, do not copy it.",
        "licensed under the GPL version 2 or 3",
        "licensed under the GPL version 2 with exceptions",
        "licensed under the GPL version 2 only or any other",
        "licensed under the GPL version 2, but some parts are not",
        "licensed under the GPL version 9 or later",
        CONDITIONS,
        DISCLAIMER,
        NAMES,
        CONDITIONS + "3. Military use is forbidden.\n" + DISCLAIMER,
        CONDITIONS.replace("with or without", "without") + DISCLAIMER,
        "How to Apply These Terms to Your New Programs\n\n" + GPL,
    ],
)
def test_what_is_no_notice(text: str) -> None:
    read = read_notices(text)
    assert read.found == ()
    assert read.rest


def test_a_notice_before_the_text_of_its_licence_counts() -> None:
    example = GPL.replace("2", "3")
    text = f"{GPL}\nHow to Apply These Terms to Your New Programs\n\n{example}"
    assert granted(text) == ("GPL-2.0-or-later",)


def test_other_prose_is_the_rest() -> None:
    read = read_notices(f"{GPL}\nIn addition, linking with OpenSSL is permitted.\n")
    assert read.granted == ("GPL-2.0-or-later",)
    assert read.rest == "In addition, linking with OpenSSL is permitted."


def test_a_bsd_licence_that_names_the_gpl() -> None:
    read = read_notices(f"This is not GPL code, although GPL-2 programs use it.\n\n{CONDITIONS}{DISCLAIMER}")
    assert read.granted == ("BSD-2-Clause",)
    assert read.rest == "This is not GPL code, although GPL-2 programs use it."


@pytest.mark.parametrize(
    "choice",
    [
        "Alternatively, this software may be distributed under these terms:",
        "You may choose one of these licences.",
        "or",
        "This program is dual-licensed.",
        "License: BSD/GPL",
        "It is available under either of the following licenses:",
        "The first one is no longer valid.",
        "Originally licensed as follows:",
        "As of version 3, this has been broadened.",
        "You can use the GPL instead of the above restrictions.",
    ],
)
def test_notices_to_choose_from_do_not_count_together(choice: str) -> None:
    read = read_notices(f"{CONDITIONS}{DISCLAIMER}\n{choice}\n\n{GPL}")
    assert read.found == ("BSD-2-Clause", "GPL-2.0-or-later")
    assert read.granted == ()


def test_a_choice_is_of_its_section() -> None:
    line = "=" * 70
    third = f"Under either\n\n{CONDITIONS}{NAMES}{DISCLAIMER}\nor\n\n{GPL.replace('2', '3')}"
    text = f"{GPL}\n{line}\n\n{CONDITIONS}{DISCLAIMER}\n{line}\n\n{third}"
    assert granted(text) == ("GPL-2.0-or-later", "BSD-2-Clause")
    # Words before the first section, and in one that has no notices, may be about all of them.
    assert granted(f"Choose one, your choice of licence:\n{line}\n{GPL}\n{line}\n{CONDITIONS}{DISCLAIMER}") == ()
    assert granted(f"x\n{line}\n{GPL}\n{line}\nAlternatively:\n{line}\n{CONDITIONS}{DISCLAIMER}") == ()


def test_remarks_are_of_licences_that_were_granted() -> None:
    pointer = "The full text of the GNU Lesser General Public License is in /usr/share/common-licenses/LGPL-2."
    assert read_notices(f"{GPL}\n{pointer}").rest == pointer
    remark = "This package was debianized by Jane Doe <jane@example.org> on Mon, 1 Jan 2001."
    assert read_notices(f"{remark}\n\n{GPL}").rest == ""
    assert read_notices(f"{remark} Use it freely.\n\n{GPL}").rest == f"{remark} Use it freely."


@pytest.mark.parametrize("line", ["Copyright 2001 Jane Doe. You may copy it.", "Copyright 2001: public domain"])
def test_a_copyright_line_that_grants_something_is_no_remark(line: str) -> None:
    assert read_notices(f"{line}\n\n{GPL}").rest == line


def test_full_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"word{number}" for number in range(40)]
    monkeypatch.setattr(notices, "FULL_TEXTS", (describe("Vim", words),))
    text = " ".join(words)
    assert granted(f"1. {text.capitalize()}") == ("Vim",)
    assert granted(f"a) {' '.join(words[:20])}:\n\n 2. {' '.join(words[20:])}") == ("Vim",)
    assert granted(text.replace("word30", "not")) == ()
    assert granted(text.removesuffix("39")) == ()


def test_words_with_the_rolling_digest_of_a_text_are_no_text() -> None:
    words = [f"word{number}" for number in range(40)]
    forged = describe("Vim", words)._replace(digest="0" * 32)
    assert list(find_texts(words * 3, [forged, describe("curl", words)])) == [
        (0, 40, "curl"),
        (40, 80, "curl"),
        (80, 120, "curl"),
    ]


class Counted(list[str]):
    """Words that count how many of them were read."""

    steps = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        self.steps += len(found) if isinstance(key, slice) else 1
        return found

    def __iter__(self) -> Iterator[str]:
        for word in super().__iter__():
            self.steps += 1
            yield word


@pytest.mark.parametrize("begin", sorted({text.begin for text in FULL_TEXTS}))
def test_repeated_beginnings_of_texts_are_read_a_few_times(begin: str) -> None:
    words = Counted(begin.split() * 1000)
    assert list(find_texts(words, FULL_TEXTS)) == []
    assert words.steps <= 8 * len(words)


def test_words_made_to_have_a_rolling_digest_are_hashed_once() -> None:
    words = Counted(["a", "b", "c"] * 1000)
    forged = describe("Vim", ["a", "b", "c"] * 100)._replace(digest="0" * 32)
    assert list(find_texts(words, [forged])) == []
    assert words.steps <= 8 * len(words)
