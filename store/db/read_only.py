"""Read the database of a store on a read-only file system.

In WAL mode, SQLite needs files beside the database, which it cannot create on a read-only file system. Without a
write-ahead log, the database file is complete and is read in place. If a crash left a write-ahead log, the database and
the log are copied and merged in memory.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote


def connect(path: Path) -> sqlite3.Connection | None:
    """Connect to the database at `path` for reading. Return None if it cannot be read."""
    try:
        log = os.stat(f"{path}-wal").st_size
    except FileNotFoundError:
        log = 0
    try:
        return _with_log(path) if log else _open(f"file:{quote(os.fspath(path))}?mode=ro&immutable=1")
    except (OSError, sqlite3.Error):
        return None


def _open(uri: str) -> sqlite3.Connection:
    database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA query_only = 1")
    database.execute("PRAGMA user_version")
    return database


def _with_log(path: Path) -> sqlite3.Connection:
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="fpack-") as directory:
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{directory}/db{suffix}")
        source = sqlite3.connect(f"{directory}/db")
        try:
            memory = _open("file::memory:")
            memory.execute("PRAGMA query_only = 0")
            source.backup(memory)
            memory.execute("PRAGMA query_only = 1")
            return memory
        finally:
            source.close()
