"""Collect garbage in the background until the disk has enough free space: `python -m fpack.store.automatic ROOT`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from .collection import limits
from .errors import FpackError
from .files import space
from .gc import collect
from .locks import FileLock
from .settings import KEEP_RECENT
from .store import Store


def main(root: Path) -> None:
    """Collect garbage, unless another process is already collecting."""
    lock = FileLock(root / "locks" / "gc")
    if not lock.try_acquire():
        return
    lock.release()
    if space.room(root).is_scarce:
        space.release(root)
    store = Store(root)
    try:
        days = KEEP_RECENT.find()
        collect(store, min_free=limits.enough_free(root), keep_recent=float("inf") if days is None else days)
    finally:
        store.close()


if __name__ == "__main__":
    with contextlib.suppress(FpackError, OSError):
        main(Path(sys.argv[1]))
