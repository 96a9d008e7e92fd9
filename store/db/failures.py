"""Translate the failures of SQLite into errors for the user, by their error codes.

A full disk, a failing device, a missing permission and a busy database are not damage. The messages for them must not
suggest to delete or rebuild the database.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

from fpack.store.errors import DiskError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreReadOnly

REBUILD = "fpack store rebuild-database rebuilds it from the trees and from db/journal"
_FULL_HINT = "free some disk space or run fpack gc, which works on a full disk, then try again"
# SQLite reports a file system that became read-only by each of these.
_UNWRITTEN = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PROTOCOL,
}
_PIECE = 1 << 20
_LITTLE = 65536  # free bytes below which a failed write of SQLite means that the disk is full


def full(path: Path, why: str = "") -> StoreFull:
    """Return the error for a full disk or an exhausted quota."""
    return StoreFull("The disk is full", where=str(path), why=why, hint=_FULL_HINT)


def damaged(path: Path, why: str, what: str = "The store's database is damaged") -> StoreDamaged:
    """Return the error for a database that is damaged or missing."""
    return StoreDamaged(what, where=str(path), why=why, hint=REBUILD)


def translate(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
    """Return the error that a failure of the database at `path` means.

    SQLite's message about a damaged schema quotes damaged text, which can cause a UnicodeDecodeError.
    """
    if isinstance(error, UnicodeDecodeError):
        return damaged(path, "its schema has text that is not valid")
    code = getattr(error, "sqlite_errorcode", -1)  # errors of Python's sqlite3 module itself have no code
    why = f"SQLite says: {error}"
    if code & 0xFF in _UNWRITTEN and _is_read_only(path):
        hint = "mount it for writing, or set FPACK_ROOT to another directory"
        return StoreReadOnly("The file system is read-only", where=str(path), why=why, hint=hint)
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN if _is_full(path):
            # SQLite reports some writes to a full disk, and all writes beyond a quota, as input/output errors.
            return full(path, why)
        case sqlite3.SQLITE_IOERR:
            name = getattr(error, "sqlite_errorname", "SQLITE_IOERR")
            return DiskError(
                "The disk failed to read or write the store's database", where=str(path), why=f"{why} ({name})",
                hint="the kernel's log (dmesg) may name the device's fault; the store itself may be whole",
            )  # fmt: skip
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy("The store's database is busy", where=str(path), hint="wait for the other fpack to end")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreReadOnly(
                "The store's database cannot be written", where=str(path), why=why,
                hint="check the owner of the store and whether its file system is mounted read-only",
            )  # fmt: skip
        case sqlite3.SQLITE_CANTOPEN:
            return StoreReadOnly(
                "The store's database cannot be opened", where=str(path), why=why,
                hint="check the owner of the store, its file system, and the limit of open files (ulimit -n)",
            )  # fmt: skip
        case sqlite3.SQLITE_NOMEM:
            return StoreError("There is not enough memory for the store's database", where=str(path), why=why)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR | sqlite3.SQLITE_SCHEMA:
            # SQLITE_ERROR: a table is missing. The statements themselves are correct.
            return _unreadable(path) or damaged(path, why)
        case sqlite3.SQLITE_PROTOCOL:
            return _unreadable(path) or StoreBusy("The store's database is busy", where=str(path), why=why)
    return StoreError("The store's database failed", where=str(path), why=why)


def of_system(path: Path, error: OSError) -> StoreError:
    """Return the error that a failed system call on a file of the database means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreReadOnly(
            "The store cannot be written", where=str(path), why=str(error.strerror),
            hint="check the owner of the store and whether its file system is mounted read-only",
        )  # fmt: skip
    from fpack.store.files import disk_errors

    if (known := disk_errors.explain(error, str(path))) is not None:
        return known
    return StoreError("The store failed to read or write a file", where=str(path), why=str(error.strerror))


def _unreadable(path: Path) -> StoreError | None:
    """Return the error if the disk cannot read the database. SQLite reports some input/output errors as damage."""
    try:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError), open(f"{path}{suffix}", "rb", buffering=0) as file:
                while file.read(_PIECE):
                    pass
    except OSError as error:
        from fpack.store.files import disk_errors

        return disk_errors.explain(error, str(path))
    return None


def _is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _LITTLE or (found.f_files > 0 and found.f_favail == 0)


def _is_read_only(path: Path) -> bool:
    """Return whether the file system cannot be written. One with an error only says so when something is written."""
    try:
        if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            return True
        os.close(os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False
