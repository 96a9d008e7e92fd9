"""Start a collection in the background when a process begins to write to a store whose disk is low."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from fpack.store import processes
from fpack.store.files import space
from fpack.store.settings import AUTOMATIC

from .limits import minimum_free

_PAUSE = 600  # seconds between automatic collections, because a collection may find nothing to delete


def start_if_low(root: Path) -> bool:
    """Start a collection if the disk is low. Return whether one was started."""
    free = space.room(root).free
    if free >= minimum_free(root) or not AUTOMATIC.find() or _is_recent(root / "locks" / "automatic"):
        return False
    # Errors are ignored: the command can go on without a collection.
    with contextlib.suppress(OSError):
        processes.detach("collection", ["fpack.store.automatic", os.fspath(root)])
        return True
    return False


def _is_recent(marker: Path) -> bool:
    """Return whether the last automatic collection was a short time ago. If not, record one now."""
    try:
        age = time.time() - marker.stat().st_mtime
    except OSError:
        age = _PAUSE
    if 0 <= age < _PAUSE:
        return True
    with contextlib.suppress(OSError):
        marker.touch(0o600)
        os.utime(marker)
    return False
