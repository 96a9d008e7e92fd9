"""The licence of a package of a language: the names that it states, and the texts that it has."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.builders.sbom.licences.check import is_expression
from fpack.builders.sbom.parts.licence import expression, licence

MIT = """MIT License

Copyright (c) 2020 Ann

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
APACHE = (Path(__file__).parents[4] / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("(MIT AND Zlib)", "(MIT AND Zlib)"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("BSD", ""),
        ("Apache Software License", ""),
        ("SEE LICENSE IN LICENSE.txt", ""),
        ("UNLICENSED", ""),
        ("LicenseRef-own", ""),
        ("MIT OR", ""),
        ("", ""),
    ],
)
def test_a_name_is_an_expression_or_nothing(name: str, wanted: str) -> None:
    assert expression(name) == wanted


def test_the_first_name_that_is_an_expression_counts() -> None:
    found, texts = licence("pypi", "a", ["BSD License", "BSD-3-Clause"], {"LICENSE": MIT})
    assert (found.original, found.expression, texts) == ("BSD License", "BSD-3-Clause", ())


@pytest.mark.parametrize(
    "text", [APACHE, APACHE.replace("Copyright [yyyy] [name of copyright owner]", "Copyright 2020 Ann")]
)
def test_the_whole_text_of_a_licence_is_recognised(text: str) -> None:
    found, texts = licence("golang", "example.org/a", [], {"LICENSE": text})
    assert (found.expression, texts) == ("Apache-2.0", ())


@pytest.mark.parametrize("title", ["MIT License", "", "The MIT License (MIT)", "# License"])
def test_a_text_of_known_notices_is_recognised(title: str) -> None:
    text = MIT.replace("MIT License", title)
    found, texts = licence("npm", "a", [""], {"LICENSE": text, "LICENSE.md": text})
    assert (found.original, found.expression, texts) == ("", "MIT", ())


@pytest.mark.parametrize(
    "text",
    [
        APACHE.replace("perpetual", "temporary"),
        APACHE + "\nOnly on Sundays.\n",
        "Only on Sundays.\n" + APACHE,
        MIT + "\nOnly on Sundays.\n",
        MIT.replace("MIT License", "BSD License"),
        "Do as you like.\n",
    ],
)
def test_a_text_with_other_words_is_a_reference(text: str) -> None:
    found, (kept,) = licence("npm", "@a/b.js", [], {"LICENSE": text})
    assert found.expression == kept.id == "LicenseRef-npm-40a.2Fb.2Ejs" and is_expression(kept.id)
    assert kept.text.strip() == text.strip()


def test_of_several_texts_nobody_tells_whether_one_is_to_choose() -> None:
    found, (kept,) = licence("cargo", "a", [], {"LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT})
    assert found.expression == "LicenseRef-cargo-a"
    assert MIT.strip() in kept.text and APACHE.strip() in kept.text


def test_a_name_without_a_text_is_its_own_text() -> None:
    found, (kept,) = licence("npm", "a", ["Dual\tlicence"], {})
    assert (found.original, found.expression, kept.text) == ("Dual licence", "LicenseRef-npm-a", "Dual licence")


def test_nothing_stated_is_no_licence() -> None:
    found, texts = licence("npm", "a", ["", " "], {"LICENSE": " \n"})
    assert not found.original and not found.expression and not texts
