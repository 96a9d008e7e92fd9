"""The page of bills of materials: each claim about fpack in the table beside others has tests that exist."""

from __future__ import annotations

import ast
import re

import pytest
from support.paths import REPOSITORY, TESTS

SECTION = (REPOSITORY / "docs/sbom.md").read_text().partition("\n## Beside others\n")[2]
HEADER, _line, *ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("|")
]


def test_the_table_is_complete() -> None:
    assert HEADER[:2] == ["field", "fpack"] and HEADER[-1] == "tests" and len(ROWS) > 30
    assert all(len(row) == len(HEADER) and all(row[:-1]) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_claim_has_tests(row: list[str]) -> None:
    named = re.findall(r"`([a-z0-9_/]+\.py)::(test_\w+)`", row[-1])
    assert bool(named) == (row[1] != "-")
    for path, name in named:
        functions = [
            node.name for node in ast.parse((TESTS / path).read_text()).body if isinstance(node, ast.FunctionDef)
        ]
        assert name in functions, f"{path} has no {name}"
