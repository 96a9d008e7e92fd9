"""The page of attacks: each test that it names is there."""

from __future__ import annotations

import re

from fpack.store import processes
from support.paths import TESTS

PAGE = TESTS.parent / "docs/security.md"
PROGRAMS = "### Programs that fpack starts"


def test_each_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(\w[\w/]*\.py)::(test_\w+)`", PAGE.read_text())
    assert len(named) > 40
    absent = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (TESTS / file).read_text()]
    assert not absent


def test_each_row_names_one() -> None:
    attacks = PAGE.read_text().replace(PROGRAMS, "\0").partition("\0")
    rest = attacks[0] + attacks[2].partition("\n## ")[2]
    rows = [line for line in rest.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    heads = [row for row in rows if row.endswith("| tests |")]
    assert len(heads) >= 5
    assert all("::test_" in row for row in rows if row not in heads)


def test_the_programs_are_those_of_the_table_and_so_are_their_variables() -> None:
    section = PAGE.read_text().partition(PROGRAMS)[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.*) \|$", section, re.MULTILINE))
    del rows["program"]
    seen = {name: " ".join(row.variables) for name, row in processes.PROGRAMS.items()}
    assert rows == {name: f"`{names}`" if names else "none" for name, names in seen.items()}
