"""Test the parser of package relations: alternatives, versions, qualifiers and restrictions."""

from __future__ import annotations

import time

import pytest
from fpack.builders.debian.relations import (
    ProvidedName,
    Relation,
    RelationError,
    check_package_name,
    parse_provides,
    parse_relations,
)
from fpack.builders.debian.version import InvalidVersion


def test_alternatives_and_versions() -> None:
    text = "libc6 (>= 2.38), default-mta | mail-transport-agent,python3:any(<<3.14),\n g++-14 ( = 14.2-1 ) , "
    assert parse_relations(text, "amd64") == (
        (Relation("libc6", ">=", "2.38"),),
        (Relation("default-mta"), Relation("mail-transport-agent")),
        (Relation("python3", "<<", "3.14", "any"),),
        (Relation("g++-14", "=", "14.2-1"),),
    )


def test_old_operators_include_the_equal() -> None:
    assert parse_relations("a (< 1), b (> 2)", "amd64") == ((Relation("a", "<=", "1"),), (Relation("b", ">=", "2"),))


def test_architectures() -> None:
    text = "a [amd64 i386], b [!amd64], c [linux-any], d [arm64] | e, f [any-amd64], g [!arm64 !i386]"
    names = [[relation.name for relation in clause] for clause in parse_relations(text, "amd64")]
    assert names == [["a"], ["c"], ["e"], ["f"], ["g"]]


def test_profiles() -> None:
    text = "a <!nocheck>, b <nocheck>, c <cross> <!nodoc>, d <cross !nodoc>"
    assert [clause[0].name for clause in parse_relations(text, "amd64")] == ["a", "c"]


def test_text_form() -> None:
    assert [str(clause[0]) for clause in parse_relations("a:any(>=1),b", "amd64")] == ["a:any (>= 1)", "b"]


@pytest.mark.parametrize(
    "text",
    ["a b", "(>= 1)", "a (1)", "a (>= )", "a (=> 1)", "| a", "a |", "a || b", "${x}", "a (>= 1", "-a", "a [amd64"],
)
def test_malformed(text: str) -> None:
    with pytest.raises(RelationError):
        parse_relations(text, "amd64")


def test_a_version_that_is_none() -> None:
    with pytest.raises(InvalidVersion):
        parse_relations("a (>= 1_0)", "amd64")


def test_accepts() -> None:
    relation = parse_relations("a (>= 1:2.0~)", "amd64")[0][0]
    assert relation.accepts("1:2.0~rc1") is True
    assert relation.accepts("3.0") is False
    assert Relation("a").accepts("0") is True


def test_provides() -> None:
    assert parse_provides("awk, libfoo (= 1.2)", "amd64") == (ProvidedName("awk"), ProvidedName("libfoo", "1.2"))
    for wrong in ("a | b", "a (>= 1)"):
        with pytest.raises(RelationError):
            parse_provides(wrong, "amd64")


@pytest.mark.parametrize("name", ["", "-a", ".a", "a/b", "a b", "../x", "a" * 201, "ä"])
def test_names_that_no_package_has(name: str) -> None:
    with pytest.raises(RelationError):
        check_package_name(name)


@pytest.mark.parametrize("text", ["a{}!", "a{}(", "a (= 1{}", "a (= 1){}[x]{}!", "a{}<x>{}<y>{}!", "a :{}any"])
def test_blanks_take_no_time(text: str) -> None:
    """A regular expression that backtracks over runs of blanks would take quadratic time or worse."""
    begun = time.process_time()
    with pytest.raises(RelationError):
        parse_relations(text.replace("{}", " " * 20_000), "amd64")
    assert time.process_time() - begun < 2


def test_blanks_may_stand_in_many_places() -> None:
    (clause,) = parse_relations("a  (  >=   1  )   [ amd64 ]   <  !x  >  < y > ", "amd64")
    assert clause == (Relation("a", ">=", "1"),)
