"""Delete trees that may be hostile: through directory descriptors, never through a symlink, at any depth.

Deleting by path is unsafe if a directory is swapped for a symlink meanwhile (as in CVE-2025-46415), and a path longer
than PATH_MAX cannot be deleted by its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Errors of unlink and rmdir for a directory that must be opened and emptied first.
_NOT_DELETED = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EPERM)
_MAX_DEPTH = 64  # levels that are walked; deeper directories are first moved to the top directory


def remove_tree(path: Path, counted: Callable[[os.stat_result], None] | None = None) -> None:
    """Delete the file or directory at `path`. Do nothing if it does not exist, or if another process deletes it.

    counted: called with the status of each file and directory before it is deleted.
    """
    try:
        status = os.lstat(path)
        if counted is not None:
            counted(status)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(path)
            return
        fd = open_directory(os.fspath(path), None)
    except FileNotFoundError:
        return
    try:
        os.fchmod(fd, 0o700)
        while _empty(fd, fd, 0, counted):
            pass
    finally:
        os.close(fd)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(path)


def _empty(fd: int, top: int, depth: int, counted: Callable[[os.stat_result], None] | None) -> bool:
    """Delete the entries of `fd`. Return True if directories were moved to `top` that are still to be deleted."""
    moved = False
    with os.scandir(fd) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        # The type may have changed since the listing; it only decides which call is tried first.
        try:
            if counted is not None and depth <= _MAX_DEPTH:
                counted(os.stat(name, dir_fd=fd, follow_symlinks=False))
            if is_directory:
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
            continue
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
            continue
        except OSError as error:
            if error.errno not in _NOT_DELETED:
                raise
        try:
            below = open_directory(name, fd)
        except FileNotFoundError:
            continue
        try:
            os.fchmod(below, 0o700)
            if depth >= _MAX_DEPTH:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(name, f".deep-{os.fstat(below).st_ino}", src_dir_fd=fd, dst_dir_fd=top)
                    moved = True
                continue
            moved |= _empty(below, top, depth + 1, counted)
        finally:
            os.close(below)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=fd)
    return moved


def open_directory(name: str | bytes, parent: int | None) -> int:
    """Open a directory, even if its mode forbids it, and never through a symlink."""
    try:
        return os.open(name, _OPEN, dir_fd=parent)
    except PermissionError:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                raise
            os.chmod(f"/proc/self/fd/{fd}", 0o700)
        finally:
            os.close(fd)
        return os.open(name, _OPEN, dir_fd=parent)
