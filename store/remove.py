"""Delete trees that may be hostile: by directory descriptors, never through a symlink, at any depth.

A recursive delete by path can be led astray by a directory that is swapped for a symlink meanwhile (as in
CVE-2025-46415), and a path longer than PATH_MAX can never be deleted by its name.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    fd = os.open(place, _OPEN)
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
    for name in os.listdir(fd):
        try:
            os.unlink(name, dir_fd=fd)
            continue
        except FileNotFoundError:
            continue
        except (IsADirectoryError, PermissionError):
            pass
        try:
            below = os.open(name, _OPEN, dir_fd=fd)
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
