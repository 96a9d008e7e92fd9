"""Test that a run collects no modules that it has no use for, and keeps what it collected out of the cyclic gc."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.attacks.attack_report import is_attack_module, without_attacks


@pytest.mark.parametrize(
    ("marks", "excluded"),
    [
        ("not long and not attack", True),
        ("not attack", True),
        ("not long", False),
        ("", False),
        ("attack", False),
        ("network or not attack", False),
        ("not (long and not attack)", False),
    ],
)
def test_attacks_are_excluded_only_if_the_marks_exclude_each(marks: str, excluded: bool) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=marks))
    assert without_attacks(config) is excluded


def test_modules_of_attacks_are_known_by_their_names() -> None:
    names = ("test_attacks_caches.py", "test_deb_hostile.py", "test_caches.py", "attack_report.py")
    assert [is_attack_module(Path(name)) for name in names] == [True, True, False, False]


def test_the_gc_passes_over_what_was_collected() -> None:
    assert gc.isenabled() and gc.get_freeze_count() > 10_000
