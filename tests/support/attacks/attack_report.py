"""Run the attacks alone, and print for each what was tried, as which user, and the outcome (`tests/run attacks`).

An attack is a test of a module that is named for attacks or for hostile input, or one that docs/security.md names.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.paths import TESTS

PAGE = TESTS.parent / "docs/security.md"
_MODULE = re.compile(r"test_\w*(attack|hostile)\w*\.py\Z")
_NAMED = re.compile(r"`(\w[\w/]*\.py)::(test_\w+)`")
_OUTCOMES = {"passed": "held", "failed": "BROKE", "skipped": "not tried"}


class AttackReport:
    """Keeps the attacks of a run, and what became of each."""

    def __init__(self) -> None:
        self._tried: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect all tests that are no attacks."""
        named = set(_NAMED.findall(PAGE.read_text("utf-8")))
        chosen = [item for item in items if is_attack(item, named)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test. An error in its set-up or tear-down counts, too."""
        if report.when == "call" or report.outcome != "passed":
            self._tried[report.nodeid] = report.outcome

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print a line for each attack, and a count."""
        terminalreporter.section("attacks")
        for node, outcome in sorted(self._tried.items()):
            terminalreporter.line(f"{_OUTCOMES[outcome]:9}  {as_whom(node):8}  {in_words(node)}")
        counts = Counter(_OUTCOMES[outcome] for outcome in self._tried.values())
        terminalreporter.line(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))


def is_attack_module(file: Path) -> bool:
    """Return whether all tests of a file are attacks, by its name."""
    return bool(_MODULE.fullmatch(file.name))


def without_attacks(config: pytest.Config) -> bool:
    """Return whether the marks that a run selects exclude attacks, whatever other marks they have."""
    words = str(config.option.markexpr).split(" and ")
    return "not attack" in words and not {"or", "if", "(", ")"} & set(re.findall(r"\w+|[()]", config.option.markexpr))


def is_attack(item: pytest.Item, named: set[tuple[str, str]]) -> bool:
    """Return whether a test is an attack. named: (file below tests, function) of those that the page names."""
    file = item.path.relative_to(TESTS).as_posix()
    return is_attack_module(item.path) or (file, getattr(item, "originalname", item.name)) in named


def as_whom(node: str) -> str:
    """Return the user that an attack was made as: by its parameters, else whoever runs the tests."""
    words = re.split(r"\W+", node.partition("[")[2])
    if "rootless" in words or "user" in words:
        return "user"
    return "root" if "root" in words or os.geteuid() == 0 else "user"


def in_words(node: str) -> str:
    """Return a test's name, with its parameters, to be read."""
    file, _, rest = node.partition("::")
    name, _, parameters = rest.partition("[")
    area = Path(file).stem.removeprefix("test_").replace("attacks_", "").replace("_", " ")
    text = f"{area}: {name.removeprefix('test_').replace('_', ' ')}"
    return text + (f" ({parameters.removesuffix(']')})" if parameters else "")


def pytest_configure(config: pytest.Config) -> None:
    """Register the report."""
    config.pluginmanager.register(AttackReport())
