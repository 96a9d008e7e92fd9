"""Divide bytes that arrive in pieces of any sizes into parts."""

from __future__ import annotations

from collections.abc import Iterator


class Pieces:
    """Bytes that arrive in pieces, divided into parts."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._piece = memoryview(b"")

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes; fewer if the source ends."""
        while size:
            if not self._piece:
                self._piece = memoryview(next(self._source, b""))
                if not self._piece:
                    return
            part = self._piece[:size]
            self._piece = self._piece[len(part) :]
            size -= len(part)
            yield bytes(part)

    def skip(self, size: int) -> None:
        for _ in self.take(size):
            pass
