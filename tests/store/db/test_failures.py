"""Failures of SQLite: what is no damage is not called damage, whatever the message says."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from fpack.store.db import failures
from fpack.store.errors import DiskError, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreReadOnly

CASES = [
    (sqlite3.SQLITE_FULL, StoreFull),
    (sqlite3.SQLITE_BUSY, StoreBusy),
    (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusy),
    (sqlite3.SQLITE_LOCKED, StoreBusy),
    (sqlite3.SQLITE_READONLY, StoreReadOnly),
    (sqlite3.SQLITE_READONLY_DIRECTORY, StoreReadOnly),
    (sqlite3.SQLITE_CANTOPEN, StoreReadOnly),
    (sqlite3.SQLITE_CORRUPT, StoreDamaged),
    (sqlite3.SQLITE_NOTADB, StoreDamaged),
    (sqlite3.SQLITE_ERROR, StoreDamaged),
    (sqlite3.SQLITE_IOERR, DiskError),
    (sqlite3.SQLITE_IOERR_FSYNC, DiskError),
    (sqlite3.SQLITE_NOMEM, StoreError),
]


@pytest.mark.parametrize(("code", "kind"), CASES)
def test_the_code_decides(tmp_path: Path, code: int, kind: type[StoreError]) -> None:
    for text in ("database disk image is malformed", "disk full", "locked", "readonly", "unable to open"):
        error = sqlite3.DatabaseError(text)
        error.sqlite_errorcode = code
        found = failures.translate(tmp_path / "db", error)
        assert type(found) is kind
        assert ("rebuild-database" in found.hint) == (kind is StoreDamaged)
        assert "move" not in found.hint


def test_an_error_of_python_is_no_damage(tmp_path: Path) -> None:
    assert type(failures.translate(tmp_path / "db", sqlite3.ProgrammingError("closed"))) is StoreError


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN])
def test_a_failed_write_on_a_full_disk_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(failures, "_is_full", lambda path: True)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    assert type(failures.translate(tmp_path / "db", error)) is StoreFull


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY]
)
def test_a_file_system_that_became_read_only_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    status = os.statvfs_result((4096, 4096, 100, 50, 50, 400, 200, 200, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda directory: status)
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = code
    found = failures.translate(tmp_path / "db", error)
    assert type(found) is StoreReadOnly and found.what == "The file system is read-only"
    assert "mount it for writing" in found.hint
