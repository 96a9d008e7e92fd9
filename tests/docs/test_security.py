"""The page of attacks: each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/security.md"


def test_each_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(\w[\w/]*\.py)::(test_\w+)`", PAGE.read_text())
    assert len(named) > 40
    absent = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (TESTS / file).read_text()]
    assert not absent


def test_each_row_names_one() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    heads = [row for row in rows if row.endswith("| tests |")]
    assert len(heads) >= 4
    assert all("::test_" in row for row in rows if row not in heads)
