"""Show the progress of work on the store, on one line of a terminal."""

from __future__ import annotations

import sys
import time

_SECONDS = 0.1  # between two lines


class ProgressLine:
    """A line on stderr that shows the progress, if stderr is a terminal. Call `end` to delete it."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._on = sys.stderr.isatty()
        self._last = 0.0
        self._shown = False

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Show that `done` of `total` is done."""
        now = time.monotonic()
        if not self._on or (now - self._last < _SECONDS and done < total):
            return
        self._last = now
        self._shown = True
        share = 100 * done // total if total else 100
        print(f"\r\x1b[2K{self._verb}{' ' if what else ''}{what}: {share} %", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
            self._shown = False
