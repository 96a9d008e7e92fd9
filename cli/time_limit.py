"""Limit the processor time in which a project's files are read: some texts of strangers take very long to match."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fpack.store.errors import FpackError

SECONDS = 120.0  # of processor time
_AGAIN = 1.0  # seconds until the signal comes again, if code caught what it raised


class _Expired(BaseException):
    """The time is over. The class is not an Exception, so that code for damaged files does not catch it."""


@contextmanager
def time_limit(where: Path | str, seconds: float = SECONDS) -> Iterator[None]:
    """End what takes more processor time with an error. In other threads than the main one there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _expire)
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
    except _Expired:
        raise FpackError(
            "The files of the project take too long to read",
            where=str(where),
            why=f"the limit is {seconds:g} seconds of processor time",
            hint="write fpack.fp by hand, as docs/tutorial.md shows",
        ) from None


def _expire(number: int, frame: FrameType | None) -> None:
    raise _Expired
