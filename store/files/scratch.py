"""Make a directory beside a file or directory that is about to be written, and delete those that killed processes left.

What is complete in it can be renamed to its place in one step, because it is on the same file system.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .remove import open_directory, remove_tree

# Characters of the target's name that are part of the directory's name. A name may have 255 bytes at most.
_LONGEST = 200


@contextlib.contextmanager
def scratch_directory(target: Path) -> Iterator[Path]:
    """Yield an empty hidden directory beside `target`, and delete it at the end."""
    target = target.absolute()
    start = f".{target.name[:_LONGEST]}."
    _delete_leftovers(target.parent, start)
    path, fd = _create(target.parent, start)
    try:
        yield path
    finally:
        try:
            with contextlib.suppress(OSError):
                remove_tree(path)
        finally:
            os.close(fd)


def _create(parent: Path, start: str) -> tuple[Path, int]:
    """Create a directory and lock it. Return its path and the descriptor that holds the lock.

    The lock tells other processes that the process that uses the directory lives.
    """
    while True:
        path = parent / f"{start}{os.urandom(6).hex()}"
        path.mkdir(mode=0o700)
        try:
            fd = open_directory(os.fspath(path), None)
        except FileNotFoundError:
            continue  # another process deleted it before it was locked
        if not _try_lock(fd):
            os.close(fd)
            continue  # another process has locked it to delete it
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)  # another process deleted it between the opening and the lock, so it has no link


def _try_lock(fd: int) -> bool:
    """Lock a directory. Return False if another process holds the lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks: no process can lock the directory to delete it
    return True


def _delete_leftovers(parent: Path, start: str) -> None:
    """Delete the directories of this user that killed processes left. Ignore errors: the next process tries again.

    start: the beginning of their names, which ends in a dot; twelve hexadecimal digits follow.
    """
    pattern = re.compile(re.escape(start) + "[0-9a-f]{12}")
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if pattern.fullmatch(name):
                with contextlib.suppress(OSError):
                    _delete_if_unlocked(parent / name)


def _delete_if_unlocked(path: Path) -> None:
    """Delete a directory of this user. Raise BlockingIOError if a process holds its lock."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
    finally:
        os.close(fd)
