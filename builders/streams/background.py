"""Run a generator in a background thread, a few items ahead of its consumer."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator

from fpack.store import threads

_PIECES = 4
_CHECK = 1.0  # seconds between looks at the thread if no piece arrives


def ahead(source: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Yield the pieces of `source`, which runs in a background thread, at most _PIECES ahead.

    Exceptions of the source are raised here. If the consumer closes this generator early, the source is closed after
    its next piece, in its own thread, before `close` returns.
    """
    pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES)
    left = threading.Event()

    def make() -> None:
        try:
            for piece in source:
                pieces.put(piece)
                if left.is_set():
                    break
        finally:
            try:
                source.close()
            finally:
                pieces.put(None)

    job = threads.start(make, "reader")
    try:
        while (piece := _next(pieces, job)) is not None:
            yield piece
        job.result()
    finally:
        left.set()
        while not job.done:
            with contextlib.suppress(queue.Empty):
                pieces.get(timeout=0.05)


def _next(pieces: queue.Queue[bytes | None], job: threads.ThreadJob[None]) -> bytes | None:
    """Return the next piece. None marks the end: that of a source that finished, or of a thread that cannot send it."""
    while True:
        try:
            return pieces.get(timeout=_CHECK)
        except queue.Empty:
            if job.done and pieces.empty():
                return None
