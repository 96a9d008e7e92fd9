"""Compute the free space that a store's disk should have, and measure the disk usage of a store."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fpack.store.files import space
from fpack.store.files.pool import BLOCK, Pool
from fpack.store.settings import MIN_FREE

_SHARE, _MOST = 20, 10 << 30  # the default minimum: a twentieth of the disk, at most 10 GiB
_ENOUGH = 2  # an automatic collection aims at twice the minimum free space, so that it does not run all the time


def minimum_free(root: Path) -> int:
    """Return the number of free bytes below which the disk of a store counts as low."""
    found = MIN_FREE.look_up()
    return min(space.room(root).total // _SHARE, _MOST) if found.origin == "default" else found.value or 0


def enough_free(root: Path) -> int:
    """Return the number of free bytes that an automatic collection tries to reach."""
    return _ENOUGH * minimum_free(root)


def disk_usage(root: Path) -> int:
    """Return the bytes that a store uses on the disk: the files of its pool, its database and its logs."""
    total = sum(status.st_blocks for _, _, status in Pool(root / "files").members()) * BLOCK
    return total + sum(usage_below(root / name) for name in ("db", "logs", "partial"))


def usage_below(directory: Path) -> int:
    """Return the disk space of the files below a directory. Files that are deleted meanwhile are not counted."""
    total = 0
    for parent, _, files in os.walk(directory):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(f"{parent}/{file}").st_blocks
    return total * BLOCK
