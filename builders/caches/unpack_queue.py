"""Collect what several threads have read, and let one of them at a time unpack all of it together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from fpack.light_typing import Generic, TypeVar

MOST = 32 << 20  # bytes that wait before a reader waits, too

Item = TypeVar("Item")


class UnpackQueue(Generic[Item]):
    """unpack: unpacks items; called by one thread at a time, with all items that wait."""

    def __init__(self, unpack: Callable[[list[Item]], None]) -> None:
        self._unpack = unpack
        self._changed = threading.Condition()
        self._waiting: list[Item] = []
        self._size = 0
        self._is_busy = False  # a thread unpacks

    def add(self, items: Sequence[Item], size: int) -> None:
        """Unpack items of `size` bytes in this thread, or leave them to a thread that unpacks others now."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < MOST or not self._is_busy)
            self._waiting += items
            self._size += size
            if self._is_busy:
                return
            self._is_busy = True
        while some := self._take():
            try:
                self._unpack(some)
            except BaseException:
                self._end()
                raise

    def _take(self) -> list[Item]:
        """Return all items that wait. If there are none, this thread does not unpack any longer."""
        with self._changed:
            some, self._waiting, self._size = self._waiting, [], 0
            self._is_busy = bool(some)
            self._changed.notify_all()
            return some

    def _end(self) -> None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
