"""Write a build's log, compressed and limited in size. The log can be read while the build runs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import IO

MAX_BYTES = 256 << 20
_FLUSH = 1.0  # seconds between flushes


class BuildLog:
    """A log file at `path`, created by the first line.

    A write error (a full disk) ends the log silently, so that it does not hide the build's own error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._out: IO[bytes] | None = None
        self._ended = False
        self._size = 0
        self._flushed = 0.0

    def write(self, line: str) -> None:
        """Append a line."""
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
        """Close the log."""
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

        # Replace the file instead of truncating it: another process may be reading the previous log.
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o755, exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        file = os.fdopen(fd, "wb", buffering=0)
        self._flushed = time.monotonic()
        self._out = zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=True)
        return self._out
