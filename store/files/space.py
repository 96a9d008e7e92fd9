"""Measure the space on the store's disk, and reserve some for garbage collection on a full disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fpack.light_typing import NamedTuple

RESERVE = "db/reserve"  # a directory: its files reserve inodes, and the first file also reserves bytes
_FILES = 16
_SMALLEST, _LARGEST = 1 << 19, 16 << 20
_SHARE = 4  # of the free space of a small disk
_USEFUL = 1 << 16  # bytes; less is no help to a collection
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
    """Return the space on the disk of a store that this user can use."""
    found = os.statvfs(root)
    inodes = found.f_favail if found.f_files else None
    return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, inodes)


def hold_back(root: Path) -> None:
    """Make or enlarge the reserve to the size that a collection may write, but to at most a share of the free space.

    A collection writes at most the whole database once to its log. Failures are ignored, because the disk may be full.
    """
    with contextlib.suppress(OSError):
        wanted = min(
            _SMALLEST + 2 * _size(f"{root}/db/fpack.sqlite") + 2 * _size(f"{root}/db/fpack.sqlite-wal"), _LARGEST
        )
        first = root / RESERVE / "0"
        free = room(root)
        wanted = min(wanted, free.free // _SHARE)
        if (
            wanted < _USEFUL
            or _size(os.fspath(first)) * 4 >= wanted * 3
            or free.inodes is not None
            and free.inodes < 8 * _FILES
        ):
            return
        first.parent.mkdir(0o700, exist_ok=True)
        for number in range(_FILES):
            fd = os.open(first.with_name(str(number)), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if number == 0:
                    os.posix_fallocate(fd, 0, wanted)
            finally:
                os.close(fd)


def release(root: Path) -> None:
    """Delete the reserve, except the directory."""
    for number in range(_FILES):
        with contextlib.suppress(OSError):
            os.unlink(root / RESERVE / str(number))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
