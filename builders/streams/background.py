"""Run a generator in a background thread, a few items ahead of its consumer."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator

_PIECES = 4


def ahead(source: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Yield the pieces of `source`, which runs in a background thread, at most _PIECES ahead.

    Exceptions of the source are raised here. If the consumer closes this generator early, the source is closed after
    its next piece, in its own thread, before `close` returns.
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
