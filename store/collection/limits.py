"""Compute the free space that a store's disk should have, and measure the disk usage of a store."""

from __future__ import annotations

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
    total = sum(status.st_blocks for _, _, status in Pool(root / "files").members())
    for name in ("db", "logs", "partial"):
        for directory, _, files in os.walk(root / name):
            for file in files:
                try:
                    total += os.lstat(f"{directory}/{file}").st_blocks
                except FileNotFoundError:
                    continue
    return total * BLOCK
