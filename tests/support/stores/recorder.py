"""A reporter that keeps what it is told, and a kind of derivations that runs a function."""

from __future__ import annotations

from collections.abc import Callable

from fpack.builders.protocol import BaseBuilder, Built, Steps, Task
from fpack.builders.scheduler.reporter import BuildOutcome, Reporter


class Recorder(Reporter):
    """Keeps the lines of logs, the warnings, and how each derivation was had."""

    def __init__(self) -> None:
        self.names: dict[bytes, str] = {}
        self.outcomes: list[tuple[str, BuildOutcome]] = []
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def planned(self, key: bytes, kind: str, name: str) -> None:
        self.names[key] = name

    def finished(self, key: bytes, outcome: BuildOutcome, path: str) -> None:
        self.outcomes.append((self.names[key], outcome))

    def log(self, key: bytes, line: str) -> None:
        self.lines.append(line)

    def warning(self, key: bytes, text: str) -> None:
        self.warnings.append(text)

    def of(self, outcome: BuildOutcome) -> list[str]:
        """Return the names of the derivations whose outputs were obtained in one way."""
        return [name for name, other in self.outcomes if other is outcome]


class Call(BaseBuilder):
    """A kind that runs a function of the test."""

    version = 1

    def __init__(self, function: Callable[[Task], Built | Steps]) -> None:
        self.function = function

    def build(self, task: Task) -> Built | Steps:
        return self.function(task)
