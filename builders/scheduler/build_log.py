"""A build's log: compressed while it is written, so that one can follow it, and bounded."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import IO

MAX_BYTES = 256 << 20
_FLUSH = 1.0  # seconds that a line may wait until it can be read


class BuildLog:
    """Lines to the file at `place`, which is made with the first of them. A disk that is full ends it silently: the
    error that the log was to explain must not be hidden by another.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._out: IO[bytes] | None = None
        self._ended = False
        self._size = 0
        self._flushed = 0.0

    def write(self, line: str) -> None:
        """Add a line."""
        data = (line + "\n").encode("utf-8", "replace")
        with self._lock:
            if self._ended or self._size > MAX_BYTES:
                return
            try:
                out = self._out or self._open()
                out.write(data)
                self._size += len(data)
                now = time.monotonic()
                if now - self._flushed > _FLUSH:
                    out.flush()
                    self._flushed = now
            except OSError:
                self._ended = True

    def close(self) -> None:
        """End the log."""
        with self._lock:
            self._ended = True
            if self._out is not None:
                try:
                    self._out.close()
                except OSError:
                    pass
                self._out = None

    def _open(self) -> IO[bytes]:
        import zstandard

        # Another file, not another content: somebody may be reading the last one.
        try:
            os.unlink(self.place)
        except FileNotFoundError:
            pass
        fd = os.open(self.place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        file = os.fdopen(fd, "wb", buffering=0)
        self._flushed = time.monotonic()
        self._out = zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=True)
        return self._out
