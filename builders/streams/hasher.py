"""Compute SHA-256 in a background thread; hashlib releases the GIL while it hashes."""

from __future__ import annotations

import hashlib
import queue
import threading


class Hasher:
    """A SHA-256 hash computed in a background thread. Do not change a buffer after passing it to `update`."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._queue: queue.Queue[bytes | bytearray | None] = queue.Queue(maxsize=4)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.size = 0

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._sha256.update(data)

    def update(self, data: bytes | bytearray) -> None:
        """Queue `data` for hashing. Block while the queue is full."""
        self.size += len(data)
        self._queue.put(data)

    def finish(self) -> bytes:
        """Return the digest and end the thread. Must be called; further calls return the same digest."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        return self._sha256.digest()
