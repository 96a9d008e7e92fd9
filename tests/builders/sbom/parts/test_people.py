"""Test who is named as the maker of a package, and with which address."""

from __future__ import annotations

import pytest
from fpack.builders.sbom.parts import people
from fpack.builders.sbom.parts.people import Person


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "Ann Lee <ann@example.org> (https://ann.example.org/)",
            Person("Ann Lee", "ann@example.org", "https://ann.example.org/"),
        ),
        ("Ann Lee (https://ann.example.org/)", Person("Ann Lee", "", "https://ann.example.org/")),
        ("Ann", Person("Ann")),
        ("ann@example.org", Person("ann@example.org", "ann@example.org")),
        ("<ann@example.org>", Person("ann@example.org", "ann@example.org")),
        ("Ann <none> (nowhere)", Person("Ann")),
        ("Ann\x1b[31m", Person("Ann\ufffd[31m")),
        ("", None),
    ],
)
def test_a_person(text: str, wanted: Person | None) -> None:
    assert people.person(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("git+https://github.com/a/b.git", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        ("git+ssh://git@gitlab.com/a/b.git#main", "https://gitlab.com/a/b"),
        ("git://github.com/a/b", "https://github.com/a/b"),
        ("https://user:secret@git.example.org/a", "https://git.example.org/a"),
        ("a/b", "https://github.com/a/b"),
        ("gitlab:a/b", "https://gitlab.com/a/b"),
        ("somewhere", ""),
    ],
)
def test_the_address_of_a_repository(text: str, wanted: str) -> None:
    assert people.repository(text, short=True) == wanted


def test_only_npm_has_short_names_of_repositories() -> None:
    assert people.repository("a/b") == ""


def test_the_owner_of_a_repository_is_known_on_some_hosts() -> None:
    assert people.owner("https://github.com/Ann/tool") == Person("Ann", "", "https://github.com/Ann")
    assert people.owner("https://git.example.org/ann/tool") is None
    assert people.owner("") is None


def test_whoever_has_no_address_is_reached_by_the_page_of_the_project() -> None:
    named = [Person("Ann", "ann@example.org"), None, Person("Bob"), Person("Cy", "", "https://cy.example.org/")]
    wanted = "Ann <ann@example.org>\nBob <https://example.org/>\nCy <https://cy.example.org/>"
    assert people.lines(named, ["", "https://example.org/"]) == wanted
    assert people.lines([Person("Bob")], []) == "Bob"
