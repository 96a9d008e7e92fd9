"""The SQLite database of the store (WAL mode): valid paths, derivations, and which derivation produced which path.

A path is valid if its row is committed. Its row is committed only after its tree is complete on disk. Readers never
wait for writers. Every commit appends its rows to a journal, from which `rebuild` restores a lost database.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fpack.light_typing import Any, NamedTuple

from . import base32
from .db import clock, failures
from .db.connection import JournaledConnection
from .derivation import Output, digest
from .errors import StoreError, StoreReadOnly
from .path import HASH_BYTES, HASH_CHARS, StorePath

_MAX_VALUES = 500  # values in one query; every SQLite version accepts 999


# A flipped bit in an index can lead to a wrong row. So a row found by an index (i, j) is compared with the queried
# values. SQLite reads indexed columns from the index itself, unless the query joins the table again by row id.
_INFO = "p.hash, p.name, p.tree, p.size, p.registered, p.refs"
_PATHS = "paths i JOIN paths p ON p.id = i.id AND +p.hash = i.hash"
_OF_PATH = "JOIN paths i ON i.hash = o.path JOIN paths p ON p.id = i.id AND +p.hash = i.hash"
_OUTPUTS = (
    "outputs j JOIN outputs o ON o.id = j.id AND +o.derivation = j.derivation AND +o.output = j.output " + _OF_PATH
)
_REALISATIONS = (
    "realisations j JOIN realisations o ON o.id = j.id AND +o.key = j.key AND +o.output = j.output " + _OF_PATH
)


# The times of the last registration and of the last build that ended.
LATEST = (
    "SELECT registered FROM paths WHERE id = (SELECT max(id) FROM paths) "
    "UNION ALL SELECT at FROM history WHERE id = (SELECT max(id) FROM history)"
)


class PathInfo(NamedTuple):
    """A valid path: tree digest (32 bytes), total file size in bytes, registration time in seconds, references."""

    path: StorePath
    tree: bytes
    size: int
    registered: int
    references: tuple[bytes, ...]

    @classmethod
    def of_rows(cls, rows: Sequence[tuple[Any, ...]]) -> list[PathInfo]:
        """Return the information in rows of (hash, name, tree, size, registered, refs)."""
        texts = base32.encode_all([row[0] for row in rows])
        return [
            cls(StorePath(text, name), tree, size, registered, split_hashes(refs))
            for text, (_, name, tree, size, registered, refs) in zip(texts, rows, strict=True)
        ]


def split_hashes(joined: bytes) -> tuple[bytes, ...]:
    """Return the hashes that were joined into one value."""
    if len(joined) <= HASH_BYTES:
        return (joined,) if joined else ()
    return tuple([joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)])


class HistoryEntry(NamedTuple):
    """A build that ended.

    at: time of the end, in seconds since 1970. outcome: `built`, `fetched`, `cut-off` or `failed`. path: the first
    output, None if the build failed.
    """

    at: int
    derivation: bytes
    name: str
    kind: str
    outcome: str
    seconds: float
    path: StorePath | None


class Database(JournaledConnection):
    """The rows of the store. Methods named `insert...` and `forget` are for use within a transaction."""

    def use_generation(self, generation: int) -> None:
        """Delete the recorded outputs of derivations if builders of another generation recorded them.

        Realisations stay, because their keys include the builders' versions. generation: 31 bits.
        """
        if self._rows("PRAGMA application_id") == [(generation,)]:
            return
        try:
            with self.transaction() as database:
                database.execute("DELETE FROM outputs")
                database.execute(f"PRAGMA application_id = {generation:d}")
                self._log("settle", generation)
        except StoreReadOnly:
            self._has_old_outputs = True

    def info(self, hash_: bytes) -> PathInfo | None:
        """Return the row of a path, by its 20-byte hash, or None if the path is not valid."""
        for row in self._rows(f"SELECT {_INFO} FROM {_PATHS} WHERE i.hash = ?", [hash_]):
            return PathInfo.of_rows([row])[0]
        return None

    def infos(self, hashes: Iterable[bytes]) -> dict[bytes, PathInfo]:
        """Return the rows of the valid paths among `hashes`, by hash, in few queries."""
        rows = self._select(_INFO, _PATHS, "i.hash", hashes)
        return dict(zip([row[0] for row in rows], PathInfo.of_rows(rows), strict=True))

    def references(self, hashes: Iterable[bytes] | None = None) -> dict[bytes, tuple[bytes, str, bytes]]:
        """Return (hash, name, joined hashes of references), by hash, of the paths among `hashes`, or of all paths."""
        columns = "hash, name, refs"
        if hashes is None:
            rows: list[Any] = self._rows(f"SELECT {columns} FROM paths")
        else:
            rows = self._select(columns, "paths", "hash", hashes)
        return {row[0]: row for row in rows}

    def _select(self, columns: str, table: str, key: str, values: Iterable[bytes]) -> list[Any]:
        """Return the rows whose `key` is one of `values`, with a query for each few hundred values."""
        found: list[Any] = []
        wanted = list(values)
        for at in range(0, len(wanted), _MAX_VALUES):
            some = wanted[at : at + _MAX_VALUES]
            found += self._rows(f"SELECT {columns} FROM {table} WHERE {key} IN ({', '.join('?' * len(some))})", some)
        return found

    def last_path(self) -> int:
        """Return the highest id of a path, an upper bound of the number of valid paths."""
        ((row,),) = self._rows("SELECT max(id) FROM paths")
        return row if isinstance(row, int) else 0

    def trouble(self, *, indexes: bool = False) -> str:
        """Return the damage that SQLite finds in the database file, or an empty string.

        indexes: also compare each index with its table, which takes several times as long.
        """
        found = str(self._rows(f"PRAGMA {'integrity' if indexes else 'quick'}_check(1)")[0][0])
        return "" if found == "ok" else found

    def totals(self) -> tuple[int, int, int]:
        """Return the number of valid paths, the bytes of their files, and the latest registration time."""
        query = "SELECT count(*), ifnull(sum(size), 0), ifnull(max(registered), 0) FROM paths"
        ((count, size, latest),) = self._rows(query)
        assert isinstance(count, int) and isinstance(size, int) and isinstance(latest, int)
        return count, size, latest

    def names(self) -> set[str]:
        """Return the last component, `<hash>-<name>`, of each valid path."""
        return {_path(hash_, name).base for hash_, name in self._rows("SELECT hash, name FROM paths")}

    def names_starting_with(self, start: str, limit: int) -> list[str]:
        """Return the last components, `<hash>-<name>`, of at most `limit` valid paths that begin with `start`."""
        # Five bits of a hash are one character: bytes that begin alike have equal characters up to the last whole one.
        first = base32.lowest(start[:HASH_CHARS])
        if first is None:
            return []
        found: list[str] = []
        for hash_, name in self._rows("SELECT hash, name FROM paths WHERE hash >= ? ORDER BY hash", [first]):
            base = _path(hash_, name).base
            if not base.startswith(start) or len(found) >= limit:
                break
            found.append(base)
        return found

    def paths(self) -> list[PathInfo]:
        """Return every valid path."""
        return PathInfo.of_rows(self._rows("SELECT hash, name, tree, size, registered, refs FROM paths"))

    def built(self, output: Output) -> StorePath | None:
        """Return the path of a derivation's output, or None if it is not known or no longer valid."""
        if self._has_old_outputs:
            return None
        query = f"SELECT p.hash, p.name FROM {_OUTPUTS} WHERE j.derivation = ? AND j.output = ?"
        for hash_, name in self._rows(query, output):
            return _path(hash_, name)
        return None

    def built_all(self, outputs: Iterable[Output]) -> dict[Output, StorePath]:
        """Return the paths of the known and valid outputs among `outputs`, as `built` does, in few queries."""
        found: dict[Output, StorePath] = {}
        if self._has_old_outputs:
            return found
        digests = sorted({output.derivation for output in outputs})
        for at in range(0, len(digests), _MAX_VALUES):
            some = digests[at : at + _MAX_VALUES]
            query = (
                f"SELECT o.derivation, o.output, p.hash, p.name FROM {_OUTPUTS} "
                f"WHERE j.derivation IN ({', '.join('?' * len(some))})"
            )
            for derivation, output, hash_, name in self._rows(query, some):
                assert isinstance(derivation, bytes)
                found[Output(derivation, str(output))] = _path(hash_, name)
        return found

    def realised(self, key: bytes, output: str) -> StorePath | None:
        """Return the output path of the resolved derivation with this key, or None if it is unknown or invalid."""
        query = f"SELECT p.hash, p.name FROM {_REALISATIONS} WHERE j.key = ? AND j.output = ?"
        for hash_, name in self._rows(query, [key, output]):
            return _path(hash_, name)
        return None

    def realisations_of(self, path: StorePath) -> list[tuple[bytes, str]]:
        """Return (key, output's name) of each resolved derivation whose output is `path`."""
        query = "SELECT key, output FROM realisations WHERE path = ? ORDER BY id"
        rows = self._rows(query, [base32.decode(path.hash)])
        return [(key, str(output)) for key, output in rows if isinstance(key, bytes)]

    def has_realisation(self, key: bytes) -> bool:
        """Return whether the resolved derivation with this key was built. Its outputs may have been deleted since."""
        return bool(self._rows("SELECT 1 FROM realisations WHERE key = ? LIMIT 1", [key]))

    def made_by(self, path: StorePath) -> list[bytes]:
        """Return the digests of the derivations that produced a path, the latest first."""
        rows = self._rows("SELECT derivation FROM outputs WHERE path = ? ORDER BY id DESC", [base32.decode(path.hash)])
        return [row[0] for row in rows if isinstance(row[0], bytes)]

    def outputs_of(self, path: StorePath) -> list[Output]:
        """Return the derivation outputs whose path is `path`, the latest first."""
        query = "SELECT derivation, output FROM outputs WHERE path = ? ORDER BY id DESC"
        rows = self._rows(query, [base32.decode(path.hash)])
        return [Output(name, str(output)) for name, output in rows if isinstance(name, bytes)]

    def origins(self) -> list[tuple[bytes, bytes]]:
        """Return (path's hash, derivation's digest) of each recorded output, the latest last."""
        rows: list[Any] = self._rows("SELECT path, derivation FROM outputs ORDER BY id")
        return rows

    def bodies(self, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield (digest, encoding) of the recorded derivations among `digests`, with a query for each few hundred."""
        wanted = list(digests)
        for at in range(0, len(wanted), _MAX_VALUES):
            some = wanted[at : at + _MAX_VALUES]
            query = f"SELECT digest, body FROM derivations WHERE digest IN ({', '.join('?' * len(some))})"
            for name, body in self._rows(query, some):
                assert isinstance(name, bytes) and isinstance(body, bytes)
                yield name, body

    def built_derivations(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (digest, encoding) of each derivation that has a valid output, in the order of their builds."""
        query = (
            "SELECT DISTINCT d.digest, d.body FROM outputs o JOIN derivations d ON d.digest = o.derivation "
            "JOIN paths p ON p.hash = o.path ORDER BY o.id"
        )
        for name, body in self._rows(query):
            assert isinstance(name, bytes) and isinstance(body, bytes)
            if digest(body) == name:
                yield name, body

    def derivation(self, name: bytes) -> bytes | None:
        """Return the encoded derivation with this digest, or None. A damaged encoding is deleted, not returned."""
        for (body,) in self._rows("SELECT body FROM derivations WHERE digest = ?", [name]):
            if isinstance(body, bytes) and digest(body) == name:
                return body
            with contextlib.suppress(StoreError), self.transaction() as db:
                # The next evaluation writes the derivation again.
                db.execute("DELETE FROM derivations WHERE digest = ?", [name])
        return None

    def add_derivations(self, bodies: Mapping[bytes, bytes]) -> None:
        """Write encoded derivations, by digest, in one transaction."""
        with self.transaction() as db:
            self.insert_derivations(db, bodies)

    def insert_derivations(self, db: sqlite3.Connection, bodies: Mapping[bytes, bytes]) -> None:
        """Write the derivations that the database lacks, within a transaction."""
        (before,) = db.execute("SELECT max(id) FROM derivations").fetchone()
        query = "INSERT OR IGNORE INTO derivations (digest, body) VALUES (?, ?)"
        if db.executemany(query, bodies.items()).rowcount == len(bodies):
            self._rows_to_log += [("derivation", body) for body in bodies.values()]
        else:
            new = db.execute("SELECT digest FROM derivations WHERE id > ? ORDER BY id", [before or 0])
            self._rows_to_log += [("derivation", bodies[digest]) for (digest,) in new]

    def last_derivation(self) -> int:
        """Return the highest id of a derivation, or 0 if there are none. Later derivations have higher ids."""
        (row,) = self._rows("SELECT max(id) FROM derivations")
        return row[0] if isinstance(row[0], int) else 0

    def keep(self, session: str, paths: Iterable[StorePath]) -> bool:
        """Make paths temporary roots of a session. Return False, and change nothing, if a path is not valid."""
        hashes = [base32.decode(p.hash) for p in paths]
        with self.transaction() as db:
            for hash_ in hashes:
                if not db.execute("SELECT 1 FROM paths WHERE hash = ?", [hash_]).fetchone():
                    return False
            rows = [(session, hash_) for hash_ in hashes]
            db.executemany("INSERT OR IGNORE INTO temporary_roots (session, path) VALUES (?, ?)", rows)
        return True

    def insert_paths(
        self, db: sqlite3.Connection, rows: Sequence[tuple[bytes, str, bytes, int, int, bytes]], *, durable: bool = True
    ) -> None:
        """Make paths valid, within a transaction: (hash, name, tree, size, time, sorted hashes of references, joined).

        durable: `sync` has to sync the rows.
        """
        query = "INSERT OR IGNORE INTO paths (hash, name, tree, size, registered, refs) VALUES (?, ?, ?, ?, ?, ?)"
        if db.executemany(query, rows).rowcount > 0:
            self._is_unsynced |= durable
            self._rows_to_log += [("path", *row) for row in rows]

    def insert_unsynced(self, db: sqlite3.Connection, session: str, hashes: Iterable[bytes]) -> None:
        """Record that the trees of paths may not be on the disk before the session has synced them."""
        rows = [(hash_, session) for hash_ in hashes]
        db.executemany("INSERT OR REPLACE INTO unsynced (path, session) VALUES (?, ?)", rows)

    def delete_unsynced(self, db: sqlite3.Connection, session: str, last: int = 1 << 62) -> None:
        """Record that the trees that a session registered are on the disk. last: the highest id of their rows."""
        db.execute("DELETE FROM unsynced WHERE session = ? AND id <= ?", [session, last])

    def unsynced(self) -> list[tuple[int, bytes, str]]:
        """Return (id, path's hash, session) of each path whose tree may not be on the disk, in the order of ids."""
        rows: list[Any] = [] if self._is_old else self._rows("SELECT id, path, session FROM unsynced ORDER BY id")
        return rows

    def insert_realisation(self, db: sqlite3.Connection, key: bytes, output: Output, path: StorePath) -> None:
        """Record a path as the output of a resolved derivation and of its original one, within a transaction.

        key: b"" if the resolved derivation is not known: a cache has the output of the original one.
        """
        hash_ = base32.decode(path.hash)
        for kind, table, column, first in (
            ("realisation", "realisations", "key", key),
            ("output", "outputs", "derivation", output.derivation),
        ):
            if not first:
                continue
            row = (first, output.name, hash_)
            db.execute(f"INSERT OR REPLACE INTO {table} ({column}, output, path) VALUES (?, ?, ?)", row)
            self._log(kind, *row)

    def forget(self, db: sqlite3.Connection, hashes: Sequence[tuple[bytes]]) -> None:
        """Make paths invalid, within a transaction. Raise StoreDamaged if an index lacks a path."""
        if db.executemany("DELETE FROM paths WHERE hash = ?", hashes).rowcount < len(hashes):
            # Another process may have made some of them invalid. Reading the whole table uses no index.
            wanted = {hash_ for (hash_,) in hashes}
            if any(hash_ in wanted for (hash_,) in db.execute("SELECT hash FROM paths NOT INDEXED")):
                raise failures.damaged(self.path, "an index differs from its table")
        db.executemany("DELETE FROM realisations WHERE path = ?", hashes)
        db.executemany("DELETE FROM outputs WHERE path = ?", hashes)
        db.executemany("DELETE FROM unsynced WHERE path = ?", hashes)

    def insert_history(self, db: sqlite3.Connection, entry: HistoryEntry) -> None:
        """Record a build that ended, within a transaction."""
        hash_ = base32.decode(entry.path.hash) if entry.path else None
        at, derivation, name, kind, outcome, seconds, _ = entry
        db.execute(
            "INSERT INTO history (at, derivation, name, kind, outcome, seconds, path) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (at, derivation, name, kind, outcome, seconds, hash_),
        )
        self._log("history", at, derivation, name, kind, outcome, int(seconds * 1e6), hash_)

    def time(self) -> int:
        """Return the time to record for what happens now, in seconds since 1970. It does not go back with the clock."""
        rows = [] if self._is_old else self._rows(LATEST)
        return clock.recordable(time.time(), max((at for (at,) in rows if isinstance(at, int)), default=0))

    def insert_uses(self, db: sqlite3.Connection, uses: Sequence[tuple[bytes, str, str, int]]) -> None:
        """Record (path's hash, project, name, day), within a transaction. A later day of an earlier use stays."""
        db.executemany(
            "INSERT INTO uses (path, project, name, day) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (path, project, name) DO UPDATE SET day = max(day, excluded.day)",
            uses,
        )
        self._rows_to_log += [("use", *use) for use in uses]

    def insert_pin(self, db: sqlite3.Connection, path: StorePath, project: str, name: str, expires: int) -> None:
        """Pin a path until `expires`, within a transaction. Replace the project's earlier pin of this name."""
        row = (base32.decode(path.hash), project, name, expires)
        db.execute("INSERT OR REPLACE INTO pins (path, project, name, expires) VALUES (?, ?, ?, ?)", row)
        self._log("pin", *row)

    def insert_root(self, db: sqlite3.Connection, name: str, hash_: bytes) -> None:
        """Record a named root, within a transaction. Replace an earlier root of this name."""
        db.execute("INSERT OR REPLACE INTO named_roots (name, path) VALUES (?, ?)", [name, hash_])
        self._log("root", name, hash_)

    def delete_root(self, db: sqlite3.Connection, name: str) -> bool:
        """Delete a named root, within a transaction. Return whether it was recorded."""
        self._log("root", name, None)
        return db.execute("DELETE FROM named_roots WHERE name = ?", [name]).rowcount > 0

    def named_roots(self) -> dict[str, bytes]:
        """Return the hashes of the paths that named roots keep, by name."""
        rows: list[Any] = [] if self._is_old else self._rows("SELECT name, path FROM named_roots")
        return dict(rows)

    def history(self, name: str | None = None, limit: int = -1) -> list[HistoryEntry]:
        """Return the builds that ended, the latest first.

        name: the derivation's name, None for all. limit: maximum number of builds, -1 for all. The path of a build may
        have been deleted since.
        """
        query = (
            "SELECT at, derivation, h.name, kind, outcome, seconds, path, p.name FROM history h "
            "LEFT JOIN paths p ON p.hash = h.path "
            f"{'WHERE h.name = ? ' if name is not None else ''}ORDER BY h.id DESC LIMIT ?"
        )
        found: list[HistoryEntry] = []
        for row in () if self._is_old else self._rows(query, [limit] if name is None else [name, limit]):
            at, derivation, of, kind, outcome, seconds, hash_, base = row
            assert isinstance(at, int) and isinstance(derivation, bytes) and isinstance(seconds, float)
            path = None if hash_ is None else _path(hash_, of if base is None else base)
            found.append(HistoryEntry(at, derivation, str(of), str(kind), str(outcome), seconds, path))
        return found

    def used_on(self, path: StorePath, project: str, name: str) -> int:
        """Return the day of the last recorded use of a path, in days since 1970, or 0 if no use is recorded."""
        return self._number("SELECT day FROM uses WHERE path = ? AND project = ? AND name = ?", path, project, name)

    def pinned_until(self, path: StorePath, project: str, name: str) -> int:
        """Return the time until which a path is pinned, or 0 if the path is not pinned."""
        return self._number("SELECT expires FROM pins WHERE path = ? AND project = ? AND name = ?", path, project, name)

    def _number(self, query: str, path: StorePath, project: str, name: str) -> int:
        for (value,) in () if self._is_old else self._rows(query, [base32.decode(path.hash), project, name]):
            assert isinstance(value, int)
            return value
        return 0


def _path(hash_: object, name: object) -> StorePath:
    assert isinstance(hash_, bytes)
    return StorePath(base32.encode(hash_), str(name))
