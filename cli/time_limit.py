"""Limit the processor time in which a project's files are read: some texts of strangers take very long to match."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from fpack.store.errors import FpackError, counted

SECONDS = 120.0  # of processor time
_AGAIN = 1.0  # seconds until the signal comes again, if code caught what it raised


class _Expired(BaseException):
    """The time is over. The class is not an Exception, so that code for damaged files does not catch it."""


class time_limit:
    """End what takes more processor time with an error. In other threads than the main one there is no limit.

    It is no generator: a signal between the end of a body and that of the generator would raise into nothing.
    """

    def __init__(self, where: Path | str, seconds: float = SECONDS) -> None:
        self._where = where
        self._seconds = seconds
        self._before: Any = None
        self._over = threading.current_thread() is not threading.main_thread()

    def __enter__(self) -> None:
        if not self._over:
            self._before = signal.signal(signal.SIGVTALRM, self._expire)
            signal.setitimer(signal.ITIMER_VIRTUAL, self._seconds, _AGAIN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over:
            self._over = True
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, self._before)
        if isinstance(error, _Expired):
            raise FpackError(
                "The files of the project take too long to read",
                where=str(self._where),
                why=f"the limit is {counted(self._seconds, 'second')} of processor time",
                hint="write fpack.fp by hand, as docs/tutorial.md shows",
            ) from None

    def _expire(self, number: int, frame: FrameType | None) -> None:
        """Raise, unless the body has ended: then nobody would catch it, and the timer would go on."""
        if not self._over and (frame is None or frame.f_code is not time_limit.__exit__.__code__):
            raise _Expired


@contextmanager
def paused() -> Iterator[None]:
    """Stop the limit around this one for work that is not about the project's files, such as a fetch."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    left, again = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_VIRTUAL, left, again)
