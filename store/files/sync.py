"""Make written files durable: a directory's entries, or a whole file system for several threads at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path


class GroupSync:
    """Combine the sync calls of several threads: one call covers everything that was written before it begins."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = threading.Lock()  # held by the thread that syncs
        self._count = threading.Lock()
        self._begun = 0
        self._done = 0

    def sync(self) -> None:
        """Return after a sync has completed that began after this call."""
        with self._count:
            wanted = self._begun + 1
        with self._turn:
            if self._done >= wanted:
                return
            with self._count:
                self._begun += 1
                mine = self._begun
            self._sync()
            self._done = mine


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(path: Path) -> None:
    """Make everything written to the file system of `path` durable, in one call for any number of files."""
    import ctypes

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))
    finally:
        os.close(fd)
