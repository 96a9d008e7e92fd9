"""Write a build's log, compressed and limited in size. The log can be read while the build runs."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

MAX_BYTES = 256 << 20  # bytes
_MAX_LINE = 8192  # bytes
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


class OutputLines:
    """The lines of a program's output, passed to `write`. last: the last lines, at most `keep`."""

    def __init__(self, write: Callable[[str], None], keep: int) -> None:
        self.last: deque[str] = deque(maxlen=keep)
        self._write = write
        self._rest = b""

    def begin(self, title: str) -> None:
        """Write a title before the output of another program."""
        self.last.clear()
        self._write(title)

    def feed(self, data: bytes) -> None:
        """Take a piece of the output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _MAX_LINE:
            self.end()

    def end(self) -> None:
        """Write a last line that has no end."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        # A progress bar redraws its line after each \r; keep the last state.
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")[:_MAX_LINE]
        self.last.append(text)
        self._write(text)
