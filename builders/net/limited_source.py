"""Read the bytes of a server's answer within limits: of their pace, and of those that are no part of a body."""

from __future__ import annotations

import io

from fpack.light_typing import Any

from .pace import Pace

MAX_FRAMING = 1 << 20  # bytes of headers, or of the frames of chunks, that one call reads


class LimitedSource(io.RawIOBase):
    """The bytes that a server sends. allowed: how many may be read before the error that they are too many.

    Raise TimeoutError if they come too slowly, and HTTPException for too many.
    """

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
            from http.client import HTTPException

            raise HTTPException(f"more than {MAX_FRAMING} bytes came that are no part of the file")
        count = self._pace.read(lambda: self._raw.readinto(buffer))
        self.allowed -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
