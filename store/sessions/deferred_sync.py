"""Sync what was fetched after the command that fetched it has ended, and check it if that was prevented.

A path that was fetched can be valid before its tree is on the disk. Its row in the table `unsynced` names the session
that made it valid. That session's lock stays held, by a copy of the process that survives it, until the file system is
synced; then the copy writes SYNCED into the locked file. Nobody holds the lock after a loss of power, after SIGKILL, or
if the file system was taken away. So the rows of a session whose lock is free and whose file does not say SYNCED are
those of paths that may be damaged. The next process that opens the store compares them with their digests: damaged
ones, and those that reference them, become invalid, as if they had never been fetched (`recovery.recover`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING
from fpack.store import processes
from fpack.store.errors import FpackError
from fpack.store.locks import FileLock

if TYPE_CHECKING:
    from fpack.store.files.sync import FileSystemSync

    from .session import Session

SYNCED, FAILED, LIVING = "synced", "failed", "living"


Work = Iterable[Callable[[], object]]


def sync_later(session: Session, file_system: FileSystemSync, after: Work, *, has_failed: bool) -> None:
    """Sync the file system in the background, and release the session's lock. No process waits for it.

    after: what is done when the file system is synced; errors of it are ignored. has_failed: a sync of this process
    failed. The kernel reports that once, so another one would seem to succeed.
    """
    finish = partial(_finish, session.lock, file_system, after, has_failed)
    try:
        # The processes of a container end with its first one.
        if os.getpid() == 1:
            finish()
        else:
            os.waitpid(processes.fork(partial(_detach, session.lock, file_system, finish)), 0)
    except OSError:
        finish()  # there is no room for another process
    finally:
        session.lock.release(keep=True)


def _detach(lock: FileLock, file_system: FileSystemSync, finish: partial[int]) -> int:
    """Leave the terminal, the working directory and all other files, and let a process of its own do the work."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    low, high = sorted((lock.descriptor, file_system.descriptor))
    for first, end in ((3, low), (low + 1, high), (high + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(first, end)
    processes.fork(finish)
    return 0


def _finish(lock: FileLock, file_system: FileSystemSync, after: Work, has_failed: bool) -> int:
    try:
        file_system.sync()
    except OSError:
        has_failed = True
    for work in () if has_failed else after:
        with contextlib.suppress(OSError, FpackError):
            work()
    with contextlib.suppress(OSError):
        lock.write(FAILED if has_failed else SYNCED)
        os.fchmod(lock.descriptor, 0o644)  # not before: whoever can open the file can lock it, and seem to be living
    return 0


def state(root: Path, session: str) -> str:
    """Return SYNCED, FAILED, LIVING, or anything else if the session's process died before it had synced."""
    try:
        fd = os.open(root / "tmp" / f"{session}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.pread(fd, len(SYNCED), 0).decode("ascii", "replace")
    except BlockingIOError:
        return LIVING
    finally:
        os.close(fd)
