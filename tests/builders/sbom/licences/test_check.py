"""Test which texts are SPDX expressions."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.licences.check import conjunction, is_expression


@pytest.mark.parametrize(
    "text",
    [
        "MIT",
        "Apache-2.0 AND (MIT OR GPL-2.0-or-later WITH GCC-exception-3.1)",
        "((MIT))",
        "LicenseRef-own.1 OR ISC",
        "EPL-1.0+",
    ],
)
def test_expressions(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "mine",
        "MIT AND",
        "AND MIT",
        "MIT MIT",
        "(MIT",
        "MIT)",
        ")MIT(",
        "MIT WITH",
        "MIT WITH MIT",
        "MIT and ISC",
        "LicenseRef-",
        "LicenseRef-ä",
        "(" * 20 + "MIT" + ")" * 20,
        " AND ".join(["MIT"] * 10_000),
    ],
)
def test_other_texts(text: str) -> None:
    assert not is_expression(text)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["MIT", "MIT"], "MIT"),
        (["MIT AND ISC", "ISC"], "ISC AND MIT"),
        (["MIT OR ISC", "Zlib"], "(MIT OR ISC) AND Zlib"),
        (["(MIT OR ISC) AND Zlib", "Zlib"], "(MIT OR ISC) AND Zlib"),
        (["MIT AND Zlib OR ISC"], "(MIT AND Zlib OR ISC)"),
        (["GPL-2.0-or-later WITH Bison-exception-2.2 AND LicenseRef-a-1"],
         "GPL-2.0-or-later WITH Bison-exception-2.2 AND LicenseRef-a-1"),
        (["((MIT AND ISC) OR Zlib)"], "((MIT AND ISC) OR Zlib)"),
    ],
)  # fmt: skip
def test_a_conjunction_has_each_term_once(texts: list[str], wanted: str) -> None:
    assert conjunction(texts) == wanted and is_expression(wanted)
