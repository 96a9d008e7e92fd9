"""Read the answers of servers within limits: of their pace, and of the bytes that are no part of a body."""

from __future__ import annotations

import io
import socket
import sys
from http.client import HTTPResponse

from fpack.light_typing import Any

from .limited_source import MAX_FRAMING, LimitedSource


class LimitedResponse(HTTPResponse):
    """An answer. Raise TimeoutError if it comes too slowly, and HTTPException for endless headers or trailers.

    The limit of time of a socket is for one call of the system, and http.client reads interim answers and trailers
    without a limit: a byte now and then, or such lines without an end, would keep a request for ever.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._source = LimitedSource(self.fp.detach())
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
