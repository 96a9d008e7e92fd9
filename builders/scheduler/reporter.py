"""Define the events that the scheduler reports. `cli` displays them; tests record them."""

from __future__ import annotations

from enum import Enum


class BuildOutcome(Enum):
    """The outcome of a build: how the output was obtained, or why there is none."""

    BUILT = "built"
    SUBSTITUTED = "substituted"  # fetched from a cache
    CUT_OFF = "cut off"  # not rebuilt: the inputs were rebuilt and are unchanged
    FAILED = "failed"
    DAMAGED = "damaged"  # it met damage in the store, which the caller can repair
    SKIPPED = "skipped"  # an input failed


class Reporter:
    """The scheduler's listener. This one ignores all events.

    Builder threads call `progress`, `log` and `warning`; the scheduler's thread calls the rest.
    """

    def planned(self, key: bytes, kind: str, name: str) -> None:
        """Report that a derivation must be built."""

    def started(self, key: bytes) -> None:
        """Report that a builder was started or resumed."""

    def progress(self, key: bytes, done: int, total: int) -> None:
        """Report progress in bytes. total: 0 if unknown."""

    def log(self, key: bytes, line: str) -> None:
        """Report a line of a build's log."""

    def warning(self, key: bytes, text: str) -> None:
        """Report a problem that does not fail the build."""

    def waiting(self, key: bytes) -> None:
        """Report that another process is building the same derivation."""

    def finished(self, key: bytes, outcome: BuildOutcome, path: str) -> None:
        """Report a derivation's outcome. path: its first output, or "" if it has none."""
