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

_LONGEST = 200  # characters of a name that are part of the directory's name


@contextlib.contextmanager
def scratch_directory(target: Path) -> Iterator[Path]:
    """Yield an empty hidden directory beside `target`, which is deleted at the end."""
    target = target.absolute()
    start = f".{target.name[:_LONGEST]}."
    _collect(target.parent, start)
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
    """Create a directory. The lock of its descriptor tells other processes that its user lives."""
    while True:
        path = parent / f"{start}{os.urandom(6).hex()}"
        path.mkdir(mode=0o700)
        try:
            fd = open_directory(os.fspath(path), None)
        except FileNotFoundError:
            continue  # another process deleted it before it was locked
        if not _locked(fd):
            os.close(fd)
            continue  # another process has locked it to delete it
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks: no process can lock the directory to delete it
    return True


def _collect(parent: Path, start: str) -> None:
    """Delete the user's directories that killed processes left. Ignore errors: the next process tries again."""
    pattern = re.compile(re.escape(start) + "[0-9a-f]{12}")
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if pattern.fullmatch(name):
                with contextlib.suppress(OSError):
                    _delete_if_unlocked(parent / name)


def _delete_if_unlocked(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
    finally:
        os.close(fd)
