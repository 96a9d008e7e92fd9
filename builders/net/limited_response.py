"""Read the answers of servers within limits: of their pace, and of the bytes that are no part of a body."""

from __future__ import annotations

import io
import socket
import sys
from http.client import HTTPException, HTTPResponse

from fpack.light_typing import Any

from .pace import Pace

MAX_FRAMING = 1 << 20  # bytes of headers, or of the frames of chunks, that one call reads


class _LimitedBytes(io.RawIOBase):
    """The bytes that a server sends. allowed: how many may be read before the error that they are too many."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._pace = Pace()
        self.allowed = MAX_FRAMING

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        if self.allowed <= 0:
            raise HTTPException(f"more than {MAX_FRAMING} bytes came that are no part of the file")
        count = self._pace.read(lambda: self._raw.readinto(buffer))
        self.allowed -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class LimitedResponse(HTTPResponse):
    """An answer. Raise TimeoutError if it comes too slowly, and HTTPException for endless headers or trailers.

    The limit of time of a socket is for one call of the system, and http.client reads interim answers and trailers
    without a limit: a byte now and then, or such lines without an end, would keep a request for ever.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._source = _LimitedBytes(self.fp.detach())
        self.fp = io.BufferedReader(self._source)

    def begin(self) -> None:
        super().begin()
        self._source.allowed = sys.maxsize

    def read1(self, n: int = -1) -> bytes:
        self._source.allowed = max(n, io.DEFAULT_BUFFER_SIZE) + MAX_FRAMING
        try:
            return super().read1(n)
        finally:
            self._source.allowed = sys.maxsize
