"""Register trees in the store on disk, look paths up, and keep paths alive.

Registration writes a tree to a temporary directory, syncs it, renames it into place and then commits its row. A crash
at any moment leaves a working store. The next process that writes deletes what a crashed process left behind.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING
from fpack.store.files.checked_tree import CheckedTree, CheckedTrees
from fpack.store.files.owners import check_store, make_directories
from fpack.store.files.placement import discard, place_over
from fpack.store.files.pool import Pool
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import FileSystemSync, GroupSync
from fpack.store.files.writer import TreeWriter

from . import DAY, base32, derivation
from .database import Database, PathInfo
from .derivation import Derivation, Output
from .errors import StoreError, StoreReadOnly
from .locks import path_locks
from .path import STORE, StorePath, make, parse
from .root import SHARED, default_root, obstacle
from .sessions.registration import BuildRecord, FinishedOutput

if TYPE_CHECKING:
    from .sessions.session import Session

_DIRECTORIES = ("store", "files", "tmp", "locks", "logs", "roots", "trash", "partial", "db")  # `db` must be last

FOREVER = 1 << 40  # seconds since 1970
_UNKNOWN = "?"  # the name of a path that has no row


class Store:
    """The store below `root`, which is created if it does not exist."""

    _unclosed: Database | None = None  # of the store that ended last, until this process ends

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        missing = check_store(os.fspath(self.root), [*_DIRECTORIES, "db/fpack.sqlite"])
        if set(missing) & set(_DIRECTORIES):
            if {"store", "db"} <= set(missing) and (found := obstacle(os.fspath(self.root))) is not None:
                raise found
            self._make_directories()
        self.database = Database(self.root / "db" / "fpack.sqlite")
        self.pool = Pool(self.root / "files")
        self._present: set[bytes] = set()  # hashes of paths whose trees were found on the disk
        self.lost: list[StorePath] = []  # paths that were made invalid because their trees were missing on the disk
        self.is_collecting = False  # this process started a collection in the background, because the disk is low
        self._planned: dict[bytes, bytes] = {}  # encoded derivations that this process builds, by digest
        self._trees = CheckedTrees(self._recorded, self.disk)
        self._session: Session | None = None
        self.refusal = self._refusal()  # the error to raise if this process must not write to the store
        self._opening = threading.Lock()
        self._prefix = f"{self.root}/store/"
        self._file_system = FileSystemSync(self.root)
        self._written = GroupSync(self._file_system.sync)
        self._is_owing = False  # this process has made paths valid that are not synced yet
        self._after: list[Callable[[], object]] = []  # what is done when they are
        if self.database.unsynced():
            from .sessions.recovery import recover

            can_write = self.refusal is None and os.access(self.root / "db", os.W_OK, effective_ids=True)
            self.lost += recover(self.root, self.database, self.pool, self.invalidate, self.sync, is_writable=can_write)

    def _refusal(self) -> StoreReadOnly | None:
        """Return an error if root uses another user's store, because that user could not change root's files in it."""
        if os.geteuid() != 0 or (owner := os.stat(self.root).st_uid) == 0:
            return None
        self.database.forbid_writing()
        hint = f"run fpack as user {owner}, for example with sudo -u '#{owner}'"
        return StoreReadOnly(f"Root cannot write to the store of user {owner}", where=str(self.root), hint=hint)

    def _make_directories(self) -> None:
        """Create the directories of the store. Raise StoreError if that fails and there is no store to read."""
        try:
            # A private file of a project stays private in the store. A store at /fpack is readable by everybody.
            make_directories(os.fspath(self.root), 0o755 if self.root == Path(SHARED) else 0o700)
            check_store(os.fspath(self.root))
            for directory in _DIRECTORIES:
                (self.root / directory).mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            if (self.root / "db" / "fpack.sqlite").is_file():
                return  # a store that cannot be written can still be read
            raise StoreError(
                "The store cannot be created", where=str(self.root), why=str(error.strerror),
                hint="set FPACK_ROOT to a directory that you can write to",
            ) from None  # fmt: skip

    def close(self) -> None:
        """End the session and delete its temporary roots and files.

        Built paths survive a loss of power. A process in the background syncs the fetched ones.
        """
        try:
            self.database.sync()
        finally:
            session, self._session = self._session, None
            if session:
                session.end(is_owing=self.is_owing)
            if session and self.is_owing:
                from .sessions.deferred_sync import sync_later

                # To close the last connection is to sync the log and the database. The next process does it.
                Store._unclosed = self.database
                sync_later(session, self._file_system, self._after, has_failed=self._written.has_failed)
            else:
                self.database.close()
            self._file_system.close()

    @property
    def session(self) -> Session:
        """The session of this process. The first access begins it and deletes the leftovers of crashed sessions.

        Raise StoreReadOnly if the store cannot be written.
        """
        if self._session is None:
            with self._opening:
                if self.refusal is not None:
                    raise self.refusal
                if self._session is None:
                    # A process that only reads does not need these modules.
                    from fpack.store.files import space
                    from fpack.store.files.mounts import check_local

                    from .collection.trigger import start_if_low
                    from .sessions.recovery import sweep
                    from .sessions.session import Session
                    from .settings import NETWORK_STORE

                    check_local(self.root, NETWORK_STORE.find)
                    try:
                        session = Session(self.root, self.database)
                    except StoreReadOnly as error:
                        self.refusal = error
                        raise
                    self._file_system.begin()
                    self._session = session
                    sweep(self.root, self.database, self.pool)
                    space.hold_back(self.root)
                    self.is_collecting = start_if_low(self.root)
        return self._session

    @property
    def is_writable(self) -> bool:
        """True if this process can write to the store. The check begins the session."""
        try:
            return self.session is not None
        except StoreReadOnly:
            return False

    def sync(self) -> None:
        """Make everything that was written to the store durable."""
        self._written.sync()

    def settle(self) -> None:
        """Sync the paths that were fetched. To be called before anything that survives a loss of power needs them."""
        if not (unsynced := self.database.unsynced()):
            return
        after, self._after = self._after, []
        self.sync()  # the database is on the same file system
        if self._is_owing:
            name = self.session.name
            with self.database.transaction() as db:
                self.database.delete_unsynced(db, name, unsynced[-1][0])
                self._is_owing = bool(db.execute("SELECT 1 FROM unsynced WHERE session = ?", [name]).fetchone())
        for work in after:
            work()

    @property
    def is_owing(self) -> bool:
        """True if this process has written what is synced after `close`."""
        return self._is_owing or bool(self._after)

    def after_sync(self, work: Callable[[], object]) -> None:
        """Call `work`, which makes something that survives a loss of power and needs paths that may not be synced.

        If this process syncs after `close`, `work` is called then, in another process: it must not use the database.
        Else it is called now.
        """
        if self.is_owing:
            self._after.append(work)
        else:
            self.settle()
            work()

    def disk(self, path: StorePath | str) -> Path:
        """Return the path on disk of a store path, or of a file below a store path that is given as text."""
        if isinstance(path, StorePath):
            return Path(self._prefix + path.base)
        rest = path[len(STORE) + 1 :]
        base, _, below = rest.partition("/")
        if not path.startswith(STORE + "/") or ".." in below.split("/"):
            raise StoreError(f"{path!r} is not in the store")
        disk = Path(self._prefix + parse(base).base)
        # A symlink in a tree may lead anywhere; its target is not part of the store.
        for part in below.split("/") if below else ():
            if disk.is_symlink():
                raise StoreError(f"{path!r} leads through a symlink")
            disk /= part
        return disk

    def info(self, path: StorePath) -> PathInfo | None:
        """Return the database row of a path, or None if it is not valid."""
        return self.database.info(base32.decode(path.hash))

    def _recorded(self, path: StorePath) -> bytes | None:
        info = self.info(path)
        return info.tree if info is not None else None

    def tree(self, path: StorePath) -> CheckedTree:
        """Return a reader of a valid path that compares what it reads with the path's digest."""
        return self._trees.tree(path)

    def keep(self, paths: Iterable[StorePath]) -> bool:
        """Protect paths and their closures from gc while this process lives. Return False if a path is invalid.

        If a tree of the closures is missing on the disk, its path and all paths that reference it are made invalid, so
        that they are built again. In a store that cannot be written, the paths are only looked up.
        """
        paths = list(paths)
        if not self.is_writable:
            return all(self.info(path) is not None for path in paths) and not self._missing(paths)
        if not self.database.keep(self.session.name, paths):
            return False
        missing = self._missing(paths)
        if missing:
            self.lost += self.invalidate(missing, self._is_gone)
        return not missing

    def built(self, outputs: Sequence[Output]) -> list[StorePath] | None:
        """Return the paths of the outputs, protected from gc while this process lives; None unless all are built."""
        found = self.database.built_all(outputs)
        paths = [found[output] for output in outputs if output in found]
        return paths if len(paths) == len(outputs) and self.keep(paths) else None

    def is_there(self, path: StorePath) -> bool:
        """Return whether a path is valid and its tree is on the disk. The closure is not checked."""
        return is_present(self._prefix + path.base) and self.info(path) is not None

    def _missing(self, paths: Iterable[StorePath]) -> list[StorePath]:
        """Return the paths in the closures of `paths` that have no tree. A process looks for each tree once."""
        missing = []
        todo = {base32.decode(path.hash) for path in paths} - self._present
        while todo:
            found = self.database.infos(todo)
            missing += [StorePath(base32.encode(hash_), _UNKNOWN) for hash_ in todo - found.keys()]
            missing += [info.path for info in found.values() if self._is_gone(info.path)]
            self._present |= todo
            todo = {reference for info in found.values() for reference in info.references} - self._present
        return missing

    def _is_gone(self, path: StorePath) -> bool:
        if path.name == _UNKNOWN:
            return self.info(path) is None
        return not is_present(self._prefix + path.base)

    def invalidate(
        self, paths: Iterable[StorePath], is_bad: Callable[[StorePath], bool] = lambda path: True
    ) -> list[StorePath]:
        """Make paths, and all paths that reference them, invalid. gc deletes their trees, or a build replaces them.

        is_bad: returns whether a path must become invalid; called under the lock, because another process may have
        replaced the path. Return the paths that became invalid, sorted.
        """
        from .graph import dependents

        self._present.clear()
        paths = list(paths)
        with path_locks(self.root, paths), self.database.transaction() as db:
            doomed = dependents(self.database.paths(), filter(is_bad, paths))
            self.database.forget(db, [(base32.decode(path.hash),) for path in doomed])
        return doomed

    def closure(self, paths: Iterable[StorePath]) -> list[StorePath]:
        """Return the paths and all paths that they reference, transitively, sorted."""
        from .graph import closure

        return closure(self.database, (base32.decode(path.hash) for path in paths))

    def writer(self) -> TreeWriter:
        """Begin a new tree in this session's private directory."""
        return TreeWriter(self.pool, self.session.fresh())

    def plan(self, bodies: Mapping[bytes, bytes]) -> None:
        """Record derivations that this process is about to build. gc keeps them while this process lives."""
        self._planned.update(bodies)
        # The session must begin before the rows are written, so that gc recognises them as later rows.
        if self.is_writable:
            self.database.add_derivations(bodies)

    def derivation(self, digest: bytes) -> Derivation | None:
        """Return the derivation with this digest, or None if it is not recorded."""
        body = self._planned.get(digest) or self.database.derivation(digest)
        return derivation.decode(body) if body is not None else None

    def used(self, paths: Iterable[StorePath], project: str = "", name: str = "") -> None:
        """Record that the user asked for paths today. gc deletes the least recently used paths first.

        project: the directory of the project's file, or "". This writes at most once a day.
        """
        today = self.database.time() // DAY
        known = _text(project)
        new = [path for path in paths if self.database.used_on(path, known, name) < today]
        if new:
            with contextlib.suppress(StoreReadOnly), self.database.transaction() as db:
                self.database.insert_uses(db, [(base32.decode(path.hash), known, name, today) for path in new])

    def pin(self, path: StorePath, project: str, name: str) -> None:
        """Keep the last pack of a project and name from gc, for the number of days in the setting gc.keep-packs."""
        from .settings import KEEP_PACKS

        self.settle()
        days = KEEP_PACKS.find()
        expires = int(self.database.time() + days * DAY) if days is not None else FOREVER
        if not 0 <= expires - self.database.pinned_until(path, _text(project), name) < DAY:
            with contextlib.suppress(StoreReadOnly), self.database.transaction() as db:
                self.database.insert_pin(db, path, _text(project), name, expires)

    def record_failure(self, digest: bytes, name: str, kind: str, seconds: float) -> None:
        """Record a failed build in the history."""
        with self.database.transaction() as db:
            failure = BuildRecord(name, kind, "failed", seconds)
            self.database.insert_history(db, failure.entry(self.database.time(), digest, None))

    def register(
        self, name: str, writer: TreeWriter, references: Sequence[StorePath], key: bytes, output: Output
    ) -> StorePath:
        """Make the writer's tree a valid path, and record it as the output of `key` and of a derivation."""
        return self.register_all(key, [FinishedOutput(name, writer, references, output)])[0]

    def register_all(
        self, key: bytes, outputs: Sequence[FinishedOutput], build: BuildRecord | None = None, *, deferred: bool = False
    ) -> list[StorePath]:
        """Make the outputs of one derivation valid paths, all or none. An output may reference those before it.

        deferred: do not wait for the disk. The paths are synced after `close`, and if the machine or the process dies
        before that, they are compared with their digests before they are used (sessions/deferred_sync.py). It is for
        trees that can be fetched again.
        """
        made = []
        for entry in outputs:
            tree = entry.writer.finish(top=False)
            references = sorted(set(entry.references))
            path = entry.path or make(entry.name, tree, references)
            made.append((entry, tree, references, path))
        with path_locks(self.root, (path for *_, path in made)):
            own = {path: base32.decode(path.hash) for *_, path in made}
            valid = {info.path for info in self.database.infos(own.values()).values()}
            new = [
                (path, entry.writer)
                for entry, _, _, path in made
                if path not in valid or not is_present(self._prefix + path.base)
            ]
            placed = dict(new)
            if placed:
                if not valid.isdisjoint(placed):
                    deferred = False
                    self._written.sync()  # a tree that was lost is valid as soon as it has its place
                for path, writer in placed.items():
                    place_over(self.root, writer.disk, self._prefix + path.base)
                if not deferred:
                    self._written.sync()  # covers the trees and their names; a tree without a row is not valid
            with self.database.transaction() as db:
                now = self.database.time()
                others = {other for _, _, references, _ in made for other in references}
                wanted = {other: own.get(other) or base32.decode(other.hash) for other in others}
                there = self.database.references(wanted.values())
                known = {other: hash_ for other, hash_ in wanted.items() if hash_ in there}  # hashes of valid paths
                rows = []
                for entry, tree, references, path in made:
                    hashes = _hashes(path, references, known)
                    known[path] = own[path]
                    rows.append((own[path], path.name, tree, entry.writer.size, now, hashes))
                self.database.insert_paths(db, rows, durable=not deferred)
                for entry, _, _, path in made:
                    if entry.output is not None:
                        self._record(db, key, entry.output, path)
                if deferred and placed:
                    self._is_owing = True
                    self.database.insert_unsynced(db, self.session.name, [known[path] for path in placed])
                kept = [(self.session.name, hash_) for hash_ in own.values()]
                db.executemany("INSERT OR IGNORE INTO temporary_roots VALUES (?, ?)", kept)
                entry, _, _, path = made[0]
                if build is not None and entry.output is not None:
                    self.database.insert_history(db, build.entry(now, entry.output.derivation, path))
        for entry, _, references, path in made:
            if path in placed and self._present.issuperset(known[reference] for reference in references):
                self._present.add(known[path])
            if (node := entry.writer.node) is not None:
                self._trees.registered(path, node)
            elif path in placed:
                self._trees.written(path)
            if path not in placed:
                with contextlib.suppress(OSError):  # the end of the session deletes the tree
                    remove_tree(entry.writer.disk)
        return [path for *_, path in made]

    def adopt(self, key: bytes, outputs: Mapping[Output, StorePath], build: BuildRecord | None = None) -> None:
        """Record valid paths as the outputs of a derivation (an early cutoff), if the store can be written.

        key: of the resolved derivation; b"" if only the original one is known.
        """
        if not self.is_writable:
            return
        with self.database.transaction() as db:
            for output, path in outputs.items():
                self._record(db, key, output, path)
            if build is not None and outputs:
                output, path = next(iter(outputs.items()))
                now = self.database.time()
                self.database.insert_history(db, build.entry(now, output.derivation, path))

    def _record(self, db: sqlite3.Connection, key: bytes, output: Output, path: StorePath) -> None:
        """Record a path as an output, and its derivation if that is missing, within a transaction."""
        self.database.insert_realisation(db, key, output, path)
        planned = output.derivation in self._planned
        if planned and not db.execute("SELECT 1 FROM derivations WHERE digest = ?", [output.derivation]).fetchone():
            # gc deleted the row, which an earlier process had written.
            self.database.insert_derivations(db, self._planned)

    def discard(self, path: str | Path) -> Path:
        """Move a file or directory of the store to the trash. Return its new path."""
        return discard(self.root, path)


def _hashes(path: StorePath, references: Sequence[StorePath], known: Mapping[StorePath, bytes]) -> bytes:
    """Return the hashes of references for a row of the database. known: those of valid paths."""
    if not known.keys() >= set(references):
        raise StoreError(f"{path} references a path that is not in the store")
    return b"".join(sorted([known[reference] for reference in references]))


def _text(path: str) -> str:
    """Return a path as valid Unicode, which SQLite and the journal require. Other bytes are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
