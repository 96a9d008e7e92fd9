"""`tests/run attacks`: which tests are attacks, and how a line of the report reads."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support.attacks.attack_report import as_whom, in_words, is_attack
from support.paths import TESTS


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        ("builders/sandbox/test_attacks_calls.py", "test_any", True),
        ("cli/shells/test_attacks_sandbox.py", "test_any", True),
        ("builders/net/test_http_hostile.py", "test_any", True),
        ("store/files/test_remove.py", "test_named", True),
        ("store/files/test_remove.py", "test_other", False),
    ],
)
def test_attacks_are_known_by_their_module_or_by_the_page(file: str, name: str, expected: bool) -> None:
    item = SimpleNamespace(path=TESTS / file, name=name, originalname=name)
    assert is_attack(item, {("store/files/test_remove.py", "test_named")}) is expected  # type: ignore[arg-type]


def test_a_line_says_what_was_tried_and_as_whom() -> None:
    node = "tests/builders/sandbox/test_attacks_limits.py::test_what_takes_too_much_is_ended[rootless-a fork bomb]"
    assert in_words(node) == "limits: what takes too much is ended (rootless-a fork bomb)"
    assert as_whom(node) == "user"
    assert as_whom("tests/cli/shells/test_attacks_sandbox.py::test_x[root-container]") == "root"
