"""Know when a disk is low: the limits of the settings, and the size of a store."""

from __future__ import annotations

import os
from pathlib import Path

from fpack.store.files import space
from fpack.store.files.pool import BLOCK, Pool
from fpack.store.settings import MIN_FREE

_SHARE, _MOST = 20, 10 << 30  # the default minimum: a twentieth of the disk, at most 10 GiB
_ENOUGH = 2  # an automatic collection frees twice the minimum, so that it does not run all the time


def minimum_free(root: Path) -> int:
    """Return the free bytes below which the disk of a store is low."""
    found = MIN_FREE.look_up()
    return min(space.room(root).total // _SHARE, _MOST) if found.origin == "default" else found.value or 0


def enough_free(root: Path) -> int:
    """Return the free bytes that an automatic collection tries to reach."""
    return _ENOUGH * minimum_free(root)


def disk_usage(root: Path) -> int:
    """Return the bytes that a store takes on the disk: the files of its pool, its database and its logs."""
    total = sum(status.st_blocks for _, _, status in Pool(root / "files").members())
    for name in ("db", "logs", "partial"):
        for directory, _, files in os.walk(root / name):
            for file in files:
                try:
                    total += os.lstat(f"{directory}/{file}").st_blocks
                except FileNotFoundError:
                    continue
    return total * BLOCK
