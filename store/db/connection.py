"""Open and check the store's database, and run transactions, whose rows are also written to a journal.

Every failure becomes an error for the user. Opening detects a database that is missing, empty or cut off.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fpack.store.errors import StoreBusy, StoreError, StoreReadOnly
from fpack.store.files.presence import is_present
from fpack.store.files.sync import sync_directory, sync_file

from . import failures, journal, schema

_WASTE = 256  # number of free pages up to which the database is not compacted
_LARGE_CACHE = 64 << 20


class JournaledConnection:
    """A database connection that threads share. Each call is atomic; `transaction` groups several calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path.with_name("journal")
        self._lock = threading.RLock()
        self._is_open = False  # a transaction is open
        self._rows_to_log: list[journal.Row] = []  # of the open transaction
        self._is_old = False  # the database has an older format and cannot be upgraded, because it cannot be written
        self._has_old_outputs = False  # other builders recorded the outputs, and the rows cannot be deleted
        self._made_at = -1  # SQLite's number of the state in which this connection made the tables, until it logs a row
        self._is_unsynced = False  # a loss of power may undo commits that made paths valid
        try:
            self._check_presence()
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            try:
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._open()
            except sqlite3.OperationalError:
                from . import read_only

                copy = None if os.access(path.parent, os.W_OK, effective_ids=True) else read_only.connect(path)
                if copy is None:
                    raise
                self._db.close()
                self._db = copy
                self._open()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise failures.translate(path, error) from None

    def _check_presence(self) -> None:
        """Raise StoreDamaged if the database is missing or cut off: an empty one would declare every path invalid."""
        if self._is_empty() and self._has_content() and self._is_empty():
            raise failures.damaged(self.path, "the file is missing or empty", "The store's database is lost")

    def _is_empty(self) -> bool:
        try:
            return os.stat(self.path).st_size == 0 and not is_present(f"{self.path}-wal")
        except FileNotFoundError:
            return True

    def _has_content(self) -> bool:
        """Return whether the store has a journal or trees, so that it had a database."""
        if is_present(self.journal):
            return True
        try:
            return any(os.scandir(self.path.parent.parent / "store"))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        """Check the format of the database, and create or upgrade its tables."""
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == schema.FORMAT:
            self._check_length()
            return
        if version > schema.FORMAT:
            raise StoreError(
                f"The store's database has format {version}, but this fpack knows formats up to {schema.FORMAT}",
                where=str(self.path),
                hint="update fpack, or set FPACK_ROOT to another directory",
            )
        if version == 0:
            self._use_wal()
        try:
            # Durable: a database without tables beside trees is a lost one.
            with self.transaction(durable=True) as db:
                if schema.upgrade(db) == 0:
                    if self._has_content():
                        raise failures.damaged(self.path, "it has no tables", "The store's database is lost")
                    self._made_at = self._data_version()
        except StoreReadOnly:
            # The tables of older formats can be read without an upgrade.
            if version == 0:
                raise
            self._is_old = True

    def _use_wal(self) -> None:
        """Switch the database to WAL mode, in which readers do not wait for a writer. The mode stays in the file."""
        # SQLite does not wait if another process changes the journal mode at the same time.
        for _ in range(200):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                time.sleep(0.05)

    def _check_length(self) -> None:
        """Raise StoreDamaged if the file is shorter than its header says and there is no write-ahead log."""
        # The order matters: another process may write to the log, or checkpoint the log into the file, at any moment.
        (pages,), (page,) = (self._db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        with contextlib.suppress(FileNotFoundError):
            if os.stat(f"{self.path}-wal").st_size:
                return
        size = os.stat(self.path).st_size
        if pages * page > size:
            why = f"it has {size} bytes of {pages * page}"
            raise failures.damaged(self.path, why, "The store's database is cut off")

    def close(self) -> None:
        self._db.close()

    def forbid_writing(self) -> None:
        """Make every later write of this connection fail."""
        self._db.execute("PRAGMA query_only = 1")

    def sync(self) -> None:
        """Sync the commits that made paths valid, and their rows in the journal, so that they survive a loss of power.

        Commits are not synced one by one.
        """
        if self._is_unsynced:
            try:
                self._sync_journal()
                with contextlib.suppress(FileNotFoundError):  # another process has checkpointed the log and deleted it
                    sync_file(f"{self.path}-wal")
                sync_directory(self.path.parent)
            except OSError as error:
                raise failures.of_system(self.path, error) from None
            self._is_unsynced = False

    def _sync_journal(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # the next commit writes the whole journal
            sync_file(self.journal)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Exclude other threads, and raise StoreError if this thread has a transaction open.

        SQLite has one transaction for each connection: the end of an inner transaction would end the outer one.
        """
        with self._lock:
            if self._is_open:
                what = "A transaction was begun within another one"
                raise StoreError(what, where=str(self.path), hint="this is a bug in fpack")
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one write transaction: commit it at the end, or roll it back on an error. It cannot be nested.

        durable: sync the commit. It and all earlier commits, and their rows in the journal, then survive a loss of
        power.
        """
        with self._alone():
            try:
                if durable:
                    self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._write_journal(durable)
                except BaseException:
                    self._roll_back()
                    raise
                self._db.execute("COMMIT")
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                self._roll_back()
                raise self._failed(error) from None
            finally:
                self._rows_to_log.clear()
                if durable:
                    with contextlib.suppress(sqlite3.Error):
                        self._db.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run queries on one snapshot of the database."""
        with self._alone():
            try:
                self._db.execute("BEGIN")
                yield self._db
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise self._failed(error) from None
            finally:
                self._roll_back()

    def enlarge_cache(self) -> None:
        """Enlarge the page cache before a large part of the database is changed."""
        self._rows(f"PRAGMA cache_size = -{_LARGE_CACHE >> 10}")

    def compact(self) -> None:
        """Return the space of deleted rows to the disk if it is a large share, and truncate the write-ahead log."""
        (free,), (pages,) = (self._rows(f"PRAGMA {name}")[0] for name in ("freelist_count", "page_count"))
        assert isinstance(free, int) and isinstance(pages, int)
        if free > _WASTE and free * 4 > pages:
            self._rows("VACUUM")
        self.empty_log()

    def empty_log(self) -> None:
        """Write the write-ahead log to the database, and truncate it. It stays as it is if other processes use it."""
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _failed(self, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
        """Return the error for the user, and reduce the lock timeout to a second, so that the command ends soon.

        SQLite reports some disk failures as a lock that another process holds.
        """
        found = failures.translate(self.path, error)
        if found.fatal or isinstance(found, StoreBusy):
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA busy_timeout = 1000")
        return found

    def _roll_back(self) -> None:
        # After some errors, SQLite has rolled back already.
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _write_journal(self, durable: bool) -> None:
        """Append the rows of the transaction to the journal. durable: sync the journal."""
        # The journal is written before the commit: an extra row does no harm, but a missing row would lose a path.
        try:
            if self._rows_to_log:
                if not journal.append(self.journal, self._rows_to_log):
                    if self._made_at == self._data_version():
                        journal.create(self.journal, self._rows_to_log, self._db)
                    else:
                        journal.rewrite(self.journal, self._db)
                self._made_at = -1
            if durable:
                self._sync_journal()
        except OSError as error:
            raise failures.of_system(self.journal, error) from None

    def _data_version(self) -> int:
        """Return a number that changes when another connection commits; a connection's own commits do not change it."""
        (number,) = self._db.execute("PRAGMA data_version").fetchone()
        assert isinstance(number, int)
        return number

    def _log(self, *row: object) -> None:
        self._rows_to_log.append(row)

    def rewrite_journal(self) -> None:
        """Rewrite the journal without the rows that the database no longer has."""
        with self.transaction() as db:
            try:
                journal.rewrite(self.journal, db)
            except OSError as error:
                raise failures.of_system(self.journal, error) from None

    def _rows(self, query: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, tuple(values)).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise self._failed(error) from None
