"""Sync files, directories and file systems to the disk, and combine the syncs of several threads."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path


class GroupSync:
    """Combine the sync calls of several threads: one call covers all data written before the call begins.

    If a call fails, all later calls fail as well. The kernel reports a failed write only once, and then treats the data
    as written, so a second call would report lost data as durable.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = threading.Lock()  # held by the thread that syncs
        self._count = threading.Lock()
        self._begun = 0
        self._done = 0
        self._failure: OSError | None = None

    @property
    def has_failed(self) -> bool:
        """True if a sync failed."""
        return self._failure is not None

    def sync(self) -> None:
        """Wait for a sync that begins after this call, and start it if necessary."""
        with self._count:
            wanted = self._begun + 1
        with self._turn:
            if self._done >= wanted:
                return
            if self._failure is not None:
                raise OSError(self._failure.errno, self._failure.strerror, self._failure.filename)
            with self._count:
                self._begun += 1
                mine = self._begun
            try:
                self._sync()
            except OSError as error:
                self._failure = error
                raise
            self._done = mine


class FileSystemSync:
    """A sync of the file system of a directory, in one call for any number of files.

    The kernel reports a failed write to the descriptors that were open at that time. So `begin` opens a descriptor
    before anything is written. A descriptor that is opened later may miss a failure that another process has seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def begin(self) -> None:
        """Watch for failed writes from now on."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def descriptor(self) -> int:
        """The descriptor that watches for failed writes."""
        return self._fd

    def sync(self) -> None:
        """Make everything written to the file system durable."""
        import ctypes

        self.begin()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(self._fd) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(self._path))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def sync_directory(path: str | Path) -> None:
    """Make the entries of a directory durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_file(path: str | Path) -> None:
    """Make the content of a file durable, even if another process wrote it."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _sync(path: str | Path, flags: int) -> None:
    """Open a file or directory and sync it. flags: those of `os.open`."""
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync for a directory
            raise
    finally:
        os.close(fd)
