"""Delete trees that may be hostile: by directory descriptors, never through a symlink, at any depth.

A recursive delete by path can be led astray by a directory that is swapped for a symlink meanwhile (as in
CVE-2025-46415), and a path longer than PATH_MAX can never be deleted by its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_SO = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.EACCES, errno.EPERM)
_SLICE = 64  # levels that are walked before what lies deeper is moved to the top


def remove_tree(place: Path) -> None:
    """Delete whatever is at `place`; nothing happens if there is nothing."""
    try:
        mode = os.lstat(place).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(place)
        return
    fd = open_directory(os.fspath(place), None)
    try:
        os.fchmod(fd, 0o700)
        while _empty(fd, fd, 0):
            pass
    finally:
        os.close(fd)
    os.rmdir(place)


def _empty(fd: int, top: int, depth: int) -> bool:
    """Delete what is in `fd`; True if directories were moved to `top` that are still to be emptied."""
    moved = False
    with os.scandir(fd) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        # What it was when it was listed only says what to try first.
        try:
            if is_directory:
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
            continue
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            os.unlink(name, dir_fd=fd)
            continue
        except OSError as error:
            if error.errno not in _NOT_SO:
                raise
        try:
            below = open_directory(name, fd)
        except FileNotFoundError:
            continue
        try:
            os.fchmod(below, 0o700)
            if depth >= _SLICE:
                os.rename(name, f".deep-{os.fstat(below).st_ino}", src_dir_fd=fd, dst_dir_fd=top)
                moved = True
                continue
            moved |= _empty(below, top, depth + 1)
        finally:
            os.close(below)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=fd)
    return moved


def open_directory(name: str | bytes, parent: int | None) -> int:
    """A directory, opened whatever its mode is, and never through a symlink."""
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
