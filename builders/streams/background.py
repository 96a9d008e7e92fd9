"""Two ends of a stream at once: what makes it goes on while what takes it is busy, and neither gets far ahead."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator

_PIECES = 4


def ahead(source: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The pieces of `source`, made by a thread of its own, a few of them in advance.

    An error of the source comes out here. When the user of this iterator leaves it early, and closes it, the source is
    closed after its next piece, in its own thread, before `close` returns.
    """
    pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES)
    left = threading.Event()

    def make() -> None:
        result: BaseException | None = None
        try:
            for piece in source:
                pieces.put(piece)
                if left.is_set():
                    break
        except BaseException as error:
            result = error
        finally:
            source.close()
            pieces.put(result)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                pieces.get(timeout=0.05)
        thread.join()
