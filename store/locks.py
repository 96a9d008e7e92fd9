"""Exclude other processes with flock on files below `locks/`. The kernel frees a lock when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .path import StorePath


_LOCK = struct.Struct("hhqqi")  # the kernel's `struct flock`: type, whence, start, length, process
CLAIM_LOCK = "claim-"  # prefix of the lock files of claims of builds in caches


def build_lock(root: Path, key: str) -> FileLock:
    """Return the lock of a build. Its holder owns the build's resume directory, `partial/KEY`."""
    return FileLock(root / "locks" / f"build-{key}")


@contextlib.contextmanager
def path_locks(root: Path, paths: Iterable[StorePath], *, wait: bool = True) -> Iterator[bool]:
    """Exclude gc and processes that register or replace the same paths. Yield whether the locks are held.

    Paths whose hashes begin in the same way share a lock, a byte of one file: thousands of files would take longer.
    wait: wait until other holders release the locks. Locks are taken in order, so there is no deadlock.
    """
    fd = _opened(f"{root}/locks/paths")
    how = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    try:
        try:
            for byte in sorted({int.from_bytes(path.hash[:2].encode(), "big") for path in paths}):
                fcntl.fcntl(fd, how, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        # A copy of this process may have the descriptor, too.
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
        os.close(fd)


def _opened(path: str) -> int:
    """Open a lock file. Make it, and its directory, if it is missing."""
    while True:
        try:
            # Others may write to the directory of a shared cache: a link there must not create a file elsewhere.
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            # Something deleted the directory. If the store itself was deleted, `mkdir` fails, too.
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(path), 0o755)


class FileLock:
    """A lock on one file, held from `acquire` or `try_acquire` to `release`; exclusive unless `shared`.

    transient: the file is deleted on release, so that lock files do not accumulate. A waiter that gets the lock on a
    deleted file notices this and tries again.
    """

    def __init__(self, path: Path, transient: bool = True, shared: bool = False) -> None:
        self._path = os.fspath(path)
        self._transient = transient
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._fd = -1

    def try_acquire(self) -> bool:
        """Take the lock if it is free. Return whether the lock was taken."""
        return self._take(self._how | fcntl.LOCK_NB)

    def acquire(self) -> None:
        """Wait for the lock and take it."""
        self._take(self._how)

    def release(self, *, keep: bool = False) -> None:
        """Release the lock. Do nothing if it is not held. keep: leave the file even if the lock is transient.

        A file that cannot be deleted is left for the next holder.
        """
        if self._fd >= 0:
            if self._transient and not keep:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
            fd, self._fd = self._fd, -1
            os.close(fd)

    def write(self, text: str) -> None:
        """Write text at the beginning of the locked file, for other processes to read."""
        os.pwrite(self._fd, text.encode(), 0)

    @property
    def descriptor(self) -> int:
        """The descriptor of the locked file. A copy of this process holds the lock, too, while that is open there."""
        return self._fd

    def _take(self, how: int) -> bool:
        """Open and lock the file, again if it is deleted meanwhile. how: flags of flock. False: another holds it."""
        while True:
            fd = _opened(self._path)
            try:
                fcntl.flock(fd, how)
                held = os.fstat(fd)
                there = os.stat(self._path)
            except BlockingIOError:
                os.close(fd)
                return False
            except FileNotFoundError:
                os.close(fd)
                continue
            except BaseException:
                os.close(fd)
                raise
            if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
                self._fd = fd
                return True
            os.close(fd)

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
