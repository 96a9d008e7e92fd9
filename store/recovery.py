"""Delete what crashed processes left behind in the store: temporary files, temporary roots and unused pool files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fpack.store.files.pool import Pool
from fpack.store.files.remove import remove_tree

from .database import Database
from .locks import FileLock


def sweep(root: Path, database: Database, pool: Pool) -> int:
    """Delete what sessions of dead processes left behind. Return the number of those sessions."""
    dead = 0
    for lock_file in sorted((root / "tmp").glob("*.lock")):
        lock = FileLock(lock_file)
        if not lock.try_acquire():
            continue
        name = lock_file.name.removesuffix(".lock")
        remove_tree(lock_file.with_name(name))
        with database.transaction() as db:
            db.execute("DELETE FROM temporary_roots WHERE session = ?", [name])
        lock.release()
        dead += 1
    if dead:
        for path, _ in pool.unused():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    return dead
