"""SHA-256 beside other work: hashlib lets go of the interpreter while it hashes."""

from __future__ import annotations

import hashlib
import queue
import threading


class Hasher:
    """SHA-256 in a thread of its own. What it was given must not be changed afterwards."""

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
        """Add to what is hashed; waits while much of it is left to do."""
        self.size += len(data)
        self._queue.put(data)

    def finish(self) -> bytes:
        """The digest. May be called twice; must be called, or a thread is left."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        return self._sha256.digest()
