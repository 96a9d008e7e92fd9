"""Names of licences in copyright files become trees of terms, or nothing if their meaning is not certain."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.licences.expression import AND, OR, Term, join, leaf, parse, replace, write
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression


@pytest.mark.parametrize(
    ("synopsis", "expression"),
    [
        ("GPL-2+", "GPL-2+"),
        ("GPL-2+ or Artistic", "GPL-2+ OR Artistic"),
        ("GPL-2+ and Expat", "GPL-2+ AND Expat"),
        ("A and B or C and D", "A AND B OR C AND D"),
        ("A or B, and C", "(A OR B) AND C"),
        ("A, and B or C", "A AND (B OR C)"),
        ("A and B, or C", "A AND B OR C"),
        ("A or B, and C, and D", "(A OR B) AND C AND D"),
        ("A | B", "A OR B"),
        ("(A or B) and C", "(A OR B) AND C"),
        ("A OR (B AND (C OR D))", "A OR B AND (C OR D)"),
        ("A and A", "A"),
        ("GPL-2 or later", "GPL-2+"),
        ("LGPL v2.1 or any later version", "LGPL-v2.1+"),
        ("GPL-2 or newer or Expat", "GPL-2+ OR Expat"),
        ("Apache 2.0", "Apache-2.0"),
        ("GPL-2+ with OpenSSL exception", "GPL-2+ {OpenSSL exception}"),
        ("GPL-3+-WITH-BISON-EXCEPTION", "GPL-3+ {BISON-EXCEPTION}"),
        ("GPL-2+ with X exception or Expat", "GPL-2+ {X exception} OR Expat"),
    ],
)
def test_synopsis(synopsis: str, expression: str) -> None:
    parsed = parse(synopsis)
    assert parsed is not None
    shown = replace(parsed, lambda atom: leaf(atom.name + (f" {{{atom.exception}}}" if atom.exception else "")))
    assert write(shown) == expression


@pytest.mark.parametrize(
    "synopsis",
    [
        "",
        "A and/or B",  # one of them, or both?
        "A, B",  # a list of what?
        "A, and B, or C",
        "A or",
        "and A",
        "A and or B",
        "A or later",
        "any later",
        "may be freely modified and distributed",
        "BSD license",
        "(A",
        "A)",
        "(A) (B)",
        "GPL-2+ (with exceptions)",
        "()",
        "A,",
        "(" * 200 + "A" + ")" * 200,
        " or ".join(["A"] * 3000),
    ],
)
def test_what_is_not_certain(synopsis: str) -> None:
    assert parse(synopsis) is None


TREES = st.recursive(
    st.sampled_from(["MIT", "ISC", "GPL-2.0-or-later WITH Bison-exception-2.2", "LicenseRef-x-1"]).map(leaf),
    lambda trees: st.builds(join, st.sampled_from([AND, OR]), st.lists(trees, min_size=1, max_size=4)),
    max_leaves=20,
)


def truth(term: Term, chosen: set[str]) -> bool:
    if not term.operator:
        return term.name in chosen
    return (all if term.operator == AND else any)(truth(child, chosen) for child in term.terms)


@given(TREES, st.sets(st.sampled_from(["MIT", "ISC", "GPL-2.0-or-later WITH Bison-exception-2.2", "LicenseRef-x-1"])))
def test_written_trees_are_valid_and_mean_the_same(tree: Term, chosen: set[str]) -> None:
    written = write(tree)
    assert canonicalize_license_expression(written) == written
    # `WITH` is an operator of SPDX only.
    again = parse(written.replace(" WITH Bison-exception-2.2", "WITH"))
    assert again is not None
    same = replace(again, lambda atom: leaf(atom.name.replace("WITH", " WITH Bison-exception-2.2")))
    assert truth(same, chosen) == truth(tree, chosen)
