"""What the scheduler tells of its work, as it happens. `cli` shows it; tests record it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Outcome(Enum):
    """How a derivation's output was had."""

    BUILT = "built"
    CUT_OFF = "cut off"  # it was not known, but its resolved derivation was
    FAILED = "failed"
    SKIPPED = "skipped"  # something that it needs failed


class Reporter(Protocol):
    """Called by the scheduler's thread alone, except `progress` and `log`, which builders' threads call."""

    def planned(self, key: bytes, kind: str, name: str) -> None:
        """A derivation that is not known is to be made."""
        ...

    def started(self, key: bytes) -> None:
        """A builder began, or went on."""
        ...

    def progress(self, key: bytes, done: int, total: int) -> None:
        """Bytes done, of bytes to do (0: unknown)."""
        ...

    def log(self, key: bytes, line: str) -> None:
        """A line of a build's log."""
        ...

    def waiting(self, key: bytes) -> None:
        """Another process is making the same."""
        ...

    def finished(self, key: bytes, outcome: Outcome, path: str) -> None:
        """A derivation is done with; `path` is its output where it has one."""
        ...


class Silent:
    """A reporter that says nothing."""

    def planned(self, key: bytes, kind: str, name: str) -> None:
        """Nothing."""

    def started(self, key: bytes) -> None:
        """Nothing."""

    def progress(self, key: bytes, done: int, total: int) -> None:
        """Nothing."""

    def log(self, key: bytes, line: str) -> None:
        """Nothing."""

    def waiting(self, key: bytes) -> None:
        """Nothing."""

    def finished(self, key: bytes, outcome: Outcome, path: str) -> None:
        """Nothing."""
