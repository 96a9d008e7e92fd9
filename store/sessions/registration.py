"""The outputs to register, and the facts about their build."""

from __future__ import annotations

from collections.abc import Sequence

from fpack.light_typing import NamedTuple
from fpack.store.database import HistoryEntry
from fpack.store.derivation import Output
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath


class FinishedOutput(NamedTuple):
    """An output to register.

    output: None if no derivation of this store made the tree. path: set if the tree mentions its own path, because then
    `make` does not compute it.
    """

    name: str
    writer: TreeWriter
    references: Sequence[StorePath]
    output: Output | None
    path: StorePath | None = None


class BuildRecord(NamedTuple):
    """The facts that the caller adds to a build's entry in the history. outcome: see `HistoryEntry`."""

    name: str
    kind: str
    outcome: str
    seconds: float = 0.0

    def entry(self, at: int, derivation: bytes, path: StorePath | None) -> HistoryEntry:
        """Return the history entry of a build that ended at the time `at`."""
        return HistoryEntry(at, derivation, self.name, self.kind, self.outcome, self.seconds, path)
