"""The SQLite database of the store (WAL mode): valid paths, derivations, and which derivation produced which path.

A path is valid if its row is committed. Its row is committed only after its tree is complete on disk. Readers never
wait for writers.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from . import base32
from .derivation import Output
from .errors import StoreError
from .path import StorePath

FORMAT = 1
_SCHEMA = """
CREATE TABLE paths (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, tree BLOB NOT NULL,
                    size INTEGER NOT NULL, registered INTEGER NOT NULL, refs BLOB NOT NULL);
CREATE TABLE derivations (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE realisations (id INTEGER PRIMARY KEY, key BLOB NOT NULL, output TEXT NOT NULL, path BLOB NOT NULL,
                           UNIQUE (key, output));
CREATE TABLE outputs (id INTEGER PRIMARY KEY, derivation BLOB NOT NULL, output TEXT NOT NULL, path BLOB NOT NULL,
                      UNIQUE (derivation, output));
CREATE TABLE temporary_roots (session TEXT NOT NULL, path BLOB NOT NULL, UNIQUE (session, path));
CREATE INDEX realisations_path ON realisations (path);
CREATE INDEX outputs_path ON outputs (path);
"""
_HASH = 20
_MAX_VALUES = 500  # values in one query; every SQLite version accepts 999


class PathInfo(NamedTuple):
    """A valid path: tree digest (32 bytes), total file size in bytes, registration time in seconds, references."""

    path: StorePath
    tree: bytes
    size: int
    registered: int
    references: tuple[bytes, ...]


class Database:
    """A database connection that threads share. Each call is atomic; `transaction` groups several calls."""

    def __init__(self, path: Path) -> None:
        self.place = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create()
            elif version != FORMAT:
                raise StoreError(
                    f"The store's database has format {version}, but this fpack needs format {FORMAT}",
                    where=str(path),
                    hint="use the fpack version that created it, or set FPACK_ROOT to another directory",
                )
        except sqlite3.DatabaseError as error:
            raise _damaged(path, error) from None

    def _create(self) -> None:
        # SQLite does not wait if another process changes the journal mode at the same time.
        for _ in range(200):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                time.sleep(0.05)
        with self.transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")

    def settle(self, generation: int) -> None:
        """Delete the recorded outputs of derivations if builders of another generation recorded them.

        Realisations stay, because their keys include the builders' versions. generation: 31 bits.
        """
        if self._rows("PRAGMA application_id") == [(generation,)]:
            return
        with self.transaction() as database:
            database.execute("DELETE FROM outputs")
            database.execute(f"PRAGMA application_id = {generation:d}")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run one write transaction: commit it at the end, or roll it back on an error."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise _damaged(self.place, error) from None

    def _rows(self, query: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, tuple(values)).fetchall()
            except sqlite3.DatabaseError as error:
                raise _damaged(self.place, error) from None

    def info(self, hash_: bytes) -> PathInfo | None:
        """Return the row of a path, by its 20-byte hash, or None if the path is not valid."""
        for row in self._rows("SELECT hash, name, tree, size, registered, refs FROM paths WHERE hash = ?", [hash_]):
            return _info(row)
        return None

    def trouble(self) -> str:
        """Return the damage that SQLite finds in the database file, or an empty string."""
        found = str(self._rows("PRAGMA quick_check(1)")[0][0])
        return "" if found == "ok" else found

    def paths(self) -> list[PathInfo]:
        """Return every valid path."""
        return [_info(row) for row in self._rows("SELECT hash, name, tree, size, registered, refs FROM paths")]

    def built(self, output: Output) -> StorePath | None:
        """Return the path of a derivation's output, or None if it is not known or no longer valid."""
        query = "SELECT hash, name FROM outputs o JOIN paths p ON hash = o.path WHERE derivation = ? AND output = ?"
        for hash_, name in self._rows(query, output):
            return _path(hash_, name)
        return None

    def built_all(self, outputs: Iterable[Output]) -> dict[Output, StorePath]:
        """Return the paths of those of `outputs` that are known and valid, as `built` does, in few queries."""
        found = {}
        digests = sorted({output.derivation for output in outputs})
        for at in range(0, len(digests), _MAX_VALUES):
            some = digests[at : at + _MAX_VALUES]
            query = (
                "SELECT derivation, output, hash, name FROM outputs o JOIN paths p ON hash = o.path "
                f"WHERE derivation IN ({', '.join('?' * len(some))})"
            )
            for digest, output, hash_, name in self._rows(query, some):
                assert isinstance(digest, bytes)
                found[Output(digest, str(output))] = _path(hash_, name)
        return found

    def realised(self, key: bytes, output: str) -> StorePath | None:
        """Return the output path of the resolved derivation with this key, or None if it is unknown or invalid."""
        query = "SELECT hash, name FROM realisations r JOIN paths p ON hash = r.path WHERE key = ? AND output = ?"
        for hash_, name in self._rows(query, [key, output]):
            return _path(hash_, name)
        return None

    def made_by(self, path: StorePath) -> list[bytes]:
        """Return the digests of the derivations that produced a path, the latest first."""
        rows = self._rows("SELECT derivation FROM outputs WHERE path = ? ORDER BY id DESC", [base32.decode(path.hash)])
        return [row[0] for row in rows if isinstance(row[0], bytes)]

    def built_derivations(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (digest, encoding) of each derivation that has a valid output, in the order of their builds."""
        query = (
            "SELECT DISTINCT d.digest, d.body FROM outputs o JOIN derivations d ON d.digest = o.derivation "
            "JOIN paths p ON p.hash = o.path ORDER BY o.id"
        )
        for digest, body in self._rows(query):
            assert isinstance(digest, bytes) and isinstance(body, bytes)
            yield digest, body

    def derivation(self, digest: bytes) -> bytes | None:
        """Return the encoded derivation with this digest, or None."""
        for (body,) in self._rows("SELECT body FROM derivations WHERE digest = ?", [digest]):
            assert isinstance(body, bytes)
            return body
        return None

    def add_derivations(self, bodies: Mapping[bytes, bytes]) -> None:
        """Write encoded derivations, by digest, in one transaction."""
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO derivations (digest, body) VALUES (?, ?)", bodies.items())

    def keep(self, session: str, paths: Iterable[StorePath]) -> bool:
        """Make paths temporary roots of a session. Return False, and change nothing, if one is not valid any more."""
        hashes = [base32.decode(p.hash) for p in paths]
        with self.transaction() as db:
            for hash_ in hashes:
                if not db.execute("SELECT 1 FROM paths WHERE hash = ?", [hash_]).fetchone():
                    return False
            rows = [(session, hash_) for hash_ in hashes]
            db.executemany("INSERT OR IGNORE INTO temporary_roots (session, path) VALUES (?, ?)", rows)
        return True


def insert_path(db: sqlite3.Connection, path: StorePath, tree: bytes, size: int, now: int, refs: list[bytes]) -> None:
    """Make a path valid, within a transaction."""
    db.execute(
        "INSERT OR IGNORE INTO paths (hash, name, tree, size, registered, refs) VALUES (?, ?, ?, ?, ?, ?)",
        (base32.decode(path.hash), path.name, tree, size, now, b"".join(sorted(refs))),
    )


def insert_realisation(db: sqlite3.Connection, key: bytes, output: Output, path: StorePath) -> None:
    """Record a path as the output of a resolved derivation and of its original derivation, within a transaction."""
    hash_ = base32.decode(path.hash)
    db.execute("INSERT OR REPLACE INTO realisations (key, output, path) VALUES (?, ?, ?)", (key, output.name, hash_))
    db.execute("INSERT OR REPLACE INTO outputs (derivation, output, path) VALUES (?, ?, ?)", (*output, hash_))


def _path(hash_: object, name: object) -> StorePath:
    assert isinstance(hash_, bytes)
    return StorePath(base32.encode(hash_), str(name))


def _info(row: tuple[object, ...]) -> PathInfo:
    hash_, name, tree, size, registered, refs = row
    assert isinstance(tree, bytes) and isinstance(refs, bytes) and isinstance(size, int) and isinstance(registered, int)
    parts = tuple(refs[i : i + _HASH] for i in range(0, len(refs), _HASH))
    return PathInfo(_path(hash_, name), tree, size, registered, parts)


def _damaged(path: Path, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if "full" in text:
        return StoreError(
            "The disk is full", where=str(path), hint="free some disk space, or run fpack gc, and try again"
        )
    if "locked" in text:
        return StoreError("The store's database is busy", where=str(path), hint="wait for the other fpack to end")
    if "readonly" in text or "unable to open" in text:
        return StoreError("The store's database cannot be written", where=str(path), why=text, hint="check its owner")
    return StoreError(
        "The store's database is damaged", where=str(path), why=text, hint="move the store away, then retry"
    )
