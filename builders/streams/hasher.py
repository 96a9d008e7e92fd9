"""Compute SHA-256 in a background thread; hashlib releases the GIL while it hashes."""

from __future__ import annotations

import hashlib
import queue

from fpack.store import threads

_CHECK = 1.0  # seconds between looks at the thread while the queue is full


class Hasher:
    """A SHA-256 hash computed in a background thread. Do not change a buffer after passing it to `update`."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._queue: queue.Queue[bytes | bytearray | None] = queue.Queue(maxsize=4)
        self._job = threads.start(self._run, "hasher")
        self.size = 0

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._sha256.update(data)

    def update(self, data: bytes | bytearray) -> None:
        """Queue `data` for hashing. Block while the queue is full."""
        self.size += len(data)
        self._put(data)

    def finish(self) -> bytes:
        """Return the digest and end the thread. Must be called; further calls return the same digest."""
        if not self._job.done:
            self._put(None)
        self._job.result()
        return self._sha256.digest()

    def _put(self, data: bytes | bytearray | None) -> None:
        while True:
            try:
                self._queue.put(data, timeout=_CHECK)
                return
            except queue.Full:
                if self._job.done:
                    self._job.result()  # raises the exception that ended the thread
                    return
