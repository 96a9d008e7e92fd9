"""Read the database of a store in whose directory SQLite cannot create the files that its WAL mode needs.

The file system is read-only, or this user may only read. A process with more rights, or another mount of the same file
system, may still write. Without SQLite's locks, a read can then mix old and new pages. So the database, and the
write-ahead log that a crash left, are copied into memory. The copy counts only if the files did not change meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from fpack.store.errors import StoreBusy
from fpack.store.files.presence import is_present

_ATTEMPTS = 50
_PAUSE = 0.1  # seconds; more than the steps in which file systems count time


def connect(path: Path) -> sqlite3.Connection | None:
    """Return a copy of the database at `path`, in memory. Return None if the files cannot be read.

    Raise StoreBusy if they change all the time.
    """
    for _ in range(_ATTEMPTS):
        before = _status(path)
        copy = _copy(path) if before is not None else None
        # A file that has just been changed may change again without a difference in its time.
        if before == _status(path) and not (before and 0 <= time.time() - max(t for _, _, t in before) / 1e9 < _PAUSE):
            return copy
        if copy is not None:
            copy.close()
        time.sleep(_PAUSE)
    hint = "try again, or use a store of your own: set FPACK_ROOT to a directory that you can write to"
    raise StoreBusy("The store's database changes while it is read", where=str(path), hint=hint)


def _status(path: Path) -> list[tuple[int, int, int]] | None:
    """Return (inode, size, time of change) of the database and of its log. Return None if there is no database."""
    found = []
    for suffix in ("", "-wal"):
        try:
            status = os.stat(f"{path}{suffix}")
        except OSError:
            continue
        found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found or None


def _copy(path: Path) -> sqlite3.Connection | None:
    try:
        log = is_present(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
        return _with_log(path) if log else _in_memory(_open(f"file:{quote(os.fspath(path))}?mode=ro&immutable=1"))
    except (OSError, sqlite3.Error):
        return None


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _in_memory(source: sqlite3.Connection) -> sqlite3.Connection:
    """Copy a database into memory, and close it. A copy needs no files beside the database."""
    try:
        memory = _open("file::memory:")
        source.backup(memory)
        memory.execute("PRAGMA query_only = 1")
        return memory
    finally:
        source.close()


def _with_log(path: Path) -> sqlite3.Connection:
    """Copy a database with its log elsewhere, so that SQLite can apply the log, and then into memory."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{directory}/db{suffix}")
        return _in_memory(_open(f"file:{quote(directory)}/db"))
