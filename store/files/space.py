"""Know how much room the disk of the store has, and hold some back, so that garbage collection works on a full disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

RESERVE = "db/reserve"
_SMALLEST, _LARGEST = 1 << 18, 16 << 20
_SCARCE_INODES = 64


class Room(NamedTuple):
    """The space of a file system in bytes, and its free inodes (None if it does not limit them)."""

    total: int
    free: int
    inodes: int | None

    @property
    def is_scarce(self) -> bool:
        """True if even the database may not have room to grow."""
        return self.free < _LARGEST or (self.inodes is not None and self.inodes < _SCARCE_INODES)


def room(root: Path) -> Room:
    """Return the room on the disk of a store, for this user."""
    found = os.statvfs(root)
    inodes = found.f_favail if found.f_files else None
    return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, inodes)


def hold_back(root: Path) -> None:
    """Make or enlarge the reserve: as large as what a collection may write, if the disk has much more than that.

    A collection writes at most the whole database once to its log. Failures are ignored: there may be no room.
    """
    with contextlib.suppress(OSError):
        wanted = min(max(2 * os.stat(root / "db/fpack.sqlite").st_size, _SMALLEST), _LARGEST)
        path = root / RESERVE
        have = path.stat().st_size if path.exists() else 0
        if have >= wanted // 2 or room(root).free < 8 * wanted:
            return
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, wanted)
        except OSError:
            os.unlink(path)
        finally:
            os.close(fd)


def release(root: Path) -> bool:
    """Delete the reserve. Return whether there was one."""
    try:
        os.unlink(root / RESERVE)
    except OSError:
        return False
    return True
