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
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
# Levels that are walked; each holds a descriptor open. Deeper directories are first moved to the top directory.
_MAX_DEPTH = 64


def remove_tree(path: str | Path, count: Callable[[os.stat_result], None] | None = None) -> None:
    """Delete the file or directory at `path`. Do nothing if it does not exist, or if another process deletes it.

    count: called with the status of each file and directory before it is deleted.
    """
    try:
        fd = open_directory(os.fspath(path), None)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        with contextlib.suppress(FileNotFoundError):
            if count is not None:
                count(os.lstat(path))
            os.unlink(path)
        return
    try:
        if count is not None:
            count(os.fstat(fd))
        # Each pass moves what is too deep to the top, so the next pass gets 64 levels further down.
        while _empty(fd, fd, 0, count):
            pass
    finally:
        os.close(fd)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(path)


def _empty(fd: int, top: int, depth: int, count: Callable[[os.stat_result], None] | None) -> bool:
    """Delete the entries of the directory `fd`, `depth` levels below `top`.

    Return True if directories were moved to `top` that are still to be deleted.
    """
    moved = False
    os.fchmod(fd, 0o700)  # trees of the store are read-only, and entries of such a directory cannot be deleted
    with os.scandir(fd) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        # The type may have changed since the listing; it only decides which call is tried first.
        try:
            if not is_directory:
                if count is not None:
                    count(os.stat(name, dir_fd=fd, follow_symlinks=False))
                try:
                    os.unlink(name, dir_fd=fd)
                    continue
                except IsADirectoryError:
                    pass
            # To count a directory, its status must be read before it is deleted, which `_empty_below` does.
            if count is None:
                try:
                    os.rmdir(name, dir_fd=fd)  # many directories of builds are empty
                    continue
                except NotADirectoryError:
                    os.unlink(name, dir_fd=fd)
                    continue
                except OSError as error:
                    if error.errno not in _NOT_EMPTY:
                        raise
            moved |= _empty_below(name, fd, top, depth, count)
            os.rmdir(name, dir_fd=fd)
        except FileNotFoundError:
            continue
    return moved


def _empty_below(name: str, parent: int, top: int, depth: int, count: Callable[[os.stat_result], None] | None) -> bool:
    """Empty the directory `name` of `parent`, or move it to `top` if it is too deep, and return True."""
    below = open_directory(name, parent)
    try:
        status = os.fstat(below)
        if depth < _MAX_DEPTH:
            if count is not None:
                count(status)
            return _empty(below, top, depth + 1, count)
        os.fchmod(below, 0o700)  # moving a directory to another parent needs write permission on the directory
        os.rename(name, f".deep-{status.st_ino}", src_dir_fd=parent, dst_dir_fd=top)
        return True
    finally:
        os.close(below)


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
