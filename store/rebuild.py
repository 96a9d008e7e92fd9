"""Rebuild a lost or damaged database from its journal, its readable rows, and the trees.

A path becomes valid only if its tree on disk has the recorded digest, and if all its references are valid. A tree
without a row is recognised if its name proves its content: the hash in the name is computed from name, digest and
references.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from fpack.store.files.pool import FileNode
from fpack.store.files.sync import FileSystemSync, sync_directory
from fpack.store.files.tree import Node, read_file, scan, tree_digest, tree_size

from . import LEASE, base32
from .collection.roots import restore_named
from .database import Database, PathInfo
from .db import failures, journal, schema
from .derivation import digest
from .errors import BadTree, FpackError, StoreBusy, StoreError
from .graph import dependents
from .locks import FileLock
from .path import HASH_BYTES, STORE, StorePath, check_name, find_references, make, parse

# The database that is being replaced. When the rebuild is complete, its name gets a time. Then its rows are never
# read again, because they would bring back what has changed since.
DAMAGED = "damaged.sqlite"
_MAX_SEARCHED = 1 << 28  # maximum number of bytes of a tree that are searched for references
_MAX_CACHED = 300_000  # files whose digests are kept in memory
_SIDES = ("", "-wal", "-shm")
# Errors that a row of a wrong format causes.
_WRONG = (
    ValueError, TypeError, AssertionError, IndexError, OverflowError, FpackError, sqlite3.DataError,
    sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.IntegrityError,
)  # fmt: skip


class RebuildResult(NamedTuple):
    """The result of a rebuild.

    paths: number of valid paths. recognised: number of valid paths that had no row and were recognised by their names.
    derivations, outputs: number of recorded derivations and outputs. rejected: paths whose trees are not valid.
    roots: named roots whose links were missing and were made again.
    """

    paths: int
    recognised: int
    derivations: int
    outputs: int
    rejected: tuple[StorePath, ...]
    roots: tuple[str, ...] = ()


Progress = Callable[[int, int, str], None]  # checked trees, all trees, the next tree


def rebuild_database(root: Path, progress: Progress = lambda done, total, name: None) -> RebuildResult:
    """Rebuild the database of the store at `root`. The former database is kept as `db/damaged-TIME.sqlite`.

    Raise StoreBusy while another process uses the store.
    """
    if not (root / "store").is_dir():
        raise StoreError("There is no store", where=str(root), hint="name one with FPACK_ROOT")
    for name in ("db", "locks", "roots", "tmp"):
        (root / name).mkdir(mode=0o755, exist_ok=True)
    with ExitStack() as locks:
        locks.enter_context(FileLock(root / "locks" / "gc"))
        _stop_others(root, locks)
        target = root / "db" / "fpack.sqlite"
        old = root / "db" / DAMAGED
        _put_away(target, old)
        new = target.with_name("new.sqlite")
        _unlink(new)
        try:
            # Later rows replace earlier rows. The journal comes last, because its rows have checksums.
            rows = chain(_salvaged(old), journal.rows_of(journal.read(target.with_name("journal"))))
            disk = FileSystemSync(root)
            done = _Rebuild(root, new).run(rows, progress)
            disk.sync()  # a tree that was fetched may not be on the disk yet
            disk.close()
            os.rename(new, target)
            sync_directory(target.parent)
        except sqlite3.Error as error:
            raise failures.translate(new, error) from None
        except OSError as error:
            raise failures.of_system(new, error) from None
        database = Database(target)
        made = restore_named(root, database)
        database.rewrite_journal()
        database.close()
        _rename(old, old.with_name(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.sqlite"))
    return done._replace(roots=tuple(made))


def _stop_others(root: Path, locks: ExitStack) -> None:
    """Lock all existing sessions and leases, or raise StoreBusy. Later sessions fail, because there is no database."""
    for path in [*(root / "tmp").glob("*.lock"), *(root / "locks").glob(f"{LEASE}*")]:
        if path.is_dir() or path.is_symlink():
            continue  # no process holds a lock on it
        lock = FileLock(path, transient=False)
        try:
            is_free = lock.try_acquire()
        except PermissionError:
            is_free = False  # it belongs to another user and may be held
        if not is_free:
            hint = "wait for other fpack commands to end, leave all shells, and try again"
            raise StoreBusy("Another process uses the store", where=str(path), hint=hint)
        locks.callback(lock.release)


def _put_away(path: Path, target: Path) -> None:
    """Rename a database and its log to `target`.

    Keep an earlier `target`, which a rebuild that was cut off left, if the database is missing or empty.
    """
    if any(Path(f"{path}{side}").exists() and Path(f"{path}{side}").stat().st_size for side in _SIDES):
        _unlink(target)
        _rename(path, target)
    _unlink(path)


def _unlink(path: Path) -> None:
    for side in _SIDES:
        Path(f"{path}{side}").unlink(missing_ok=True)


def _rename(path: Path, target: Path) -> None:
    for side in _SIDES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{side}", f"{target}{side}")
            os.utime(f"{target}{side}")  # gc deletes old copies


def _salvaged(path: Path) -> Iterator[list[object]]:
    """Yield the rows that can still be read from a damaged database, in the form of the journal's rows."""
    if not path.exists():
        return
    db = sqlite3.connect(path, isolation_level=None)
    try:
        with contextlib.suppress(sqlite3.Error):
            yield ["settle", db.execute("PRAGMA application_id").fetchone()[0]]
        for kind, query in journal.SELECT.items():
            # Read without ORDER BY, because an index may be damaged.
            with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                for row in db.execute(query.partition(" ORDER BY")[0]):
                    yield [kind, *row]
    finally:
        db.close()


class _Rebuild:
    """A new database, and the rows and trees from which it is filled."""

    def __init__(self, root: Path, path: Path) -> None:
        self._root = root
        self._history: set[tuple[object, ...]] = set()
        self._files: dict[tuple[int, int], FileNode] = {}
        self._db = sqlite3.connect(path, isolation_level=None)
        self._path = path

    def run(self, rows: Iterable[list[object]], progress: Progress) -> RebuildResult:
        """Write the database, and make it durable."""
        db = self._db
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            schema.upgrade(db)
            for row in rows:
                # Rows of a damaged database can have any values.
                with contextlib.suppress(*_WRONG):
                    self._replay(row)
            recognised, rejected = self._check_trees(progress)
            self._drop_incomplete()
            for table in ("realisations", "outputs", "pins", "uses", "named_roots"):
                db.execute(f"DELETE FROM {table} WHERE path NOT IN (SELECT hash FROM paths)")
            db.execute("COMMIT")
            counts = [
                db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("paths", "derivations", "outputs")
            ]
        finally:
            # Closing checkpoints the log into the file, and syncs the file.
            db.close()
        return RebuildResult(counts[0], recognised, counts[1], counts[2], tuple(rejected))

    def _replay(self, row: list[object]) -> None:
        """Insert one row of the journal. Raise an error if it is not of a known form; the caller skips the row then."""
        kind, *values = row
        db = self._db
        match kind:
            case "path":
                hash_, name, tree, size, registered, refs = values
                assert isinstance(hash_, bytes) and isinstance(tree, bytes) and isinstance(refs, bytes)
                assert len(hash_) == HASH_BYTES and len(tree) == 32 and len(refs) % HASH_BYTES == 0
                assert isinstance(size, int) and isinstance(registered, int)
                parse(f"{base32.encode(hash_)}-{name}")
                query = (
                    "INSERT OR REPLACE INTO paths (hash, name, tree, size, registered, refs) VALUES (?, ?, ?, ?, ?, ?)"
                )
            case "derivation":
                (body,) = values
                assert isinstance(body, bytes)
                values.insert(0, digest(body))
                query = "INSERT OR IGNORE INTO derivations (digest, body) VALUES (?, ?)"
            case "realisation":
                assert [type(value) for value in values] == [bytes, str, bytes]
                query = "INSERT OR REPLACE INTO realisations (key, output, path) VALUES (?, ?, ?)"
            case "output":
                assert [type(value) for value in values] == [bytes, str, bytes]
                query = "INSERT OR REPLACE INTO outputs (derivation, output, path) VALUES (?, ?, ?)"
            case "pin":
                query = "INSERT OR REPLACE INTO pins (path, project, name, expires) VALUES (?, ?, ?, ?)"
            case "root" if values[1] is None:
                query = "DELETE FROM named_roots WHERE name = ? AND ? IS NULL"
            case "root":
                assert [type(value) for value in values] == [str, bytes] and check_name(str(values[0]))
                query = "INSERT OR REPLACE INTO named_roots (name, path) VALUES (?, ?)"
            case "use":
                assert [type(value) for value in values] == [bytes, str, str, int]
                query = "INSERT OR REPLACE INTO uses (path, project, name, day) VALUES (?, ?, ?, ?)"
            case "history":
                values[5] = int(str(values[5])) / 1e6
                event = tuple(values[:5])
                if event in self._history:
                    return
                self._history.add(event)
                query = (
                    "INSERT INTO history (at, derivation, name, kind, outcome, seconds, path) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)"
                )
            case "settle":
                (generation,) = values
                assert isinstance(generation, int)
                if db.execute("PRAGMA application_id").fetchone() != (generation,):
                    db.execute("DELETE FROM outputs")
                    db.execute(f"PRAGMA application_id = {generation:d}")
                return
            case _:
                return
        db.execute(query, values)

    def _check_trees(self, progress: Progress) -> tuple[int, list[StorePath]]:
        """Delete the rows whose trees are missing or differ, and recognise trees without a row."""
        found: dict[bytes, StorePath] = {}
        for name in os.listdir(self._root / "store"):
            with contextlib.suppress(FpackError):
                path = parse(name)
                found[base32.decode(path.hash)] = path
        self._db.execute("CREATE TEMP TABLE seen (hash BLOB PRIMARY KEY)")
        recognised, rejected = 0, []
        for done, (hash_, path) in enumerate(sorted(found.items())):
            progress(done, len(found), str(path))
            node = self._scan(path)
            tree = b"" if node is None else tree_digest(node)
            row = self._db.execute("SELECT name, tree FROM paths WHERE hash = ?", [hash_]).fetchone()
            if row != (path.name, tree):
                references = None if node is None else self._recognise(path, tree, set(found.values()))
                if references is None or node is None:
                    rejected.append(path)
                    continue
                recognised += 1
                refs = b"".join(sorted(base32.decode(reference.hash) for reference in references))
                values = (hash_, path.name, tree, tree_size(node), int(time.time()), refs)
                self._replay(["path", *values])
            self._db.execute("INSERT INTO seen VALUES (?)", [hash_])
        self._db.execute("DELETE FROM paths WHERE hash NOT IN (SELECT hash FROM seen)")
        self._db.execute("DROP TABLE seen")
        return recognised, rejected

    def _scan(self, path: StorePath) -> Node | None:
        try:
            return scan(f"{self._root}/store/{path.base}", read=self._read)
        except (OSError, BadTree):
            return None

    def _read(self, path: bytes, status: os.stat_result) -> FileNode:
        """Hash a file. Each inode is hashed once, because trees share files."""
        inode = (status.st_dev, status.st_ino)
        node = self._files.get(inode)
        if node is None:
            node = read_file(path, status)
            if len(self._files) < _MAX_CACHED:
                self._files[inode] = node
        return node

    def _recognise(self, path: StorePath, tree: bytes, known: set[StorePath]) -> list[StorePath] | None:
        """Return the references that, with the tree's digest, give the hash in the path, or None if none do."""
        if make(path.name, tree, []) == path:
            return []
        references = sorted(self._mentioned(self._root / "store" / path.base) & known - {path})
        return references if references and make(path.name, tree, references) == path else None

    def _mentioned(self, disk: Path) -> set[StorePath]:
        """Return the store paths that a tree's files and symlinks mention."""
        found: set[StorePath] = set()
        searched = 0
        files = [disk] if disk.is_symlink() or not disk.is_dir() else []
        for directory, directories, names in os.walk(disk):
            # A symlink to a directory is among the directories.
            files += [
                path
                for name in (*names, *directories)
                if not (path := Path(directory, name)).is_dir() or path.is_symlink()
            ]
        for file in files:
            with contextlib.suppress(OSError):
                data = os.fsencode(os.readlink(file)) if file.is_symlink() else b""
                searched += 0 if data else file.lstat().st_size
                if searched > _MAX_SEARCHED:
                    break
                data = data or file.read_bytes()
                if STORE.encode() in data:
                    for hash_, name in find_references(data.decode("latin-1")):
                        with contextlib.suppress(FpackError):
                            found.add(parse(f"{hash_}-{name}"))
        return found

    def _drop_incomplete(self) -> None:
        """Delete paths that reference an invalid path, directly or transitively."""
        rows = self._db.execute("SELECT hash, name, tree, size, registered, refs FROM paths").fetchall()
        infos = PathInfo.of_rows(rows)
        valid = {base32.decode(info.path.hash) for info in infos}
        broken = [info.path for info in infos if not valid.issuperset(info.references)]
        hashes = [(base32.decode(path.hash),) for path in dependents(infos, broken)]
        self._db.executemany("DELETE FROM paths WHERE hash = ?", hashes)
