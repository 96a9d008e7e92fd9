"""Collect garbage: delete the paths that no root needs. Builds can run meanwhile, and the paths that they use are kept.

The transaction that finds dead paths also deletes their rows, durably. So another process either made a path a
temporary root before the transaction, or finds the path invalid and builds it again. Trees are deleted afterwards,
under the locks that registration takes. The modules of `collection/` find roots, select paths and measure free space.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store.files import bus_error, space
from fpack.store.files.pool import BLOCK, Pool
from fpack.store.files.remove import remove_tree

from . import base32, leases
from .collection import limits
from .collection.roots import LEASE, add_link, forget_gone, marking
from .collection.selection import needed_derivations, until
from .collection.survey import DAY, Policy, Survey, first_planned, survey
from .db import failures
from .errors import InvalidName, StoreBusy, StoreFull
from .locks import FileLock
from .path import StorePath, parse
from .sessions.recovery import sweep
from .store import Store

HISTORY_ROWS, HISTORY_DAYS = 100_000, 400
_ROUND = 256  # number of paths that a collection on a full disk deletes in its first round
_GROWTH = 8
_PARTIAL_DAYS, _LOG_DAYS = 7, 30


class GcResult(NamedTuple):
    """The result of a collection, or of a dry run: deleted paths, number of kept paths, bytes of the disk freed.

    gone: result links that no longer exist and no longer keep their paths. excess: the bytes by which the goals of the
    policy were missed. keepers: if they were missed, the bytes of the remaining paths by the kind of their root.
    """

    deleted: tuple[StorePath, ...]
    kept: int
    freed: int
    gone: tuple[str, ...] = ()
    excess: int = 0
    keepers: Mapping[str, int] = {}


def add_root(store: Store, link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, a path in the store, and a root while the symlink points to it."""
    add_link(store.root, link, target, is_root=store.refusal is None)


def look(store: Store, policy: Policy) -> Survey:
    """Return which paths are kept, and why. Change nothing."""
    with store.database.reading() as db:
        return survey(store.root, db, time.time(), policy)


def collect(
    store: Store,
    *,
    dry_run: bool = False,
    older_than: float = 0,
    keep_recent: float = 0,
    max_size: int | None = None,
    min_free: int | None = None,
    inputs: bool | None = None,
) -> GcResult:
    """Delete paths that no root needs. The arguments are those of `Policy`."""
    policy = Policy(older_than, keep_recent, max_size, min_free, inputs)
    if dry_run:
        found = look(store, policy)
        chosen = _choose(store.root, found, policy, 0)
        freed = sum(found.paths[hash_].size for hash_ in chosen)
        excess = max(_excess(store.root, policy) - freed, 0)
        keepers = found.keepers() if excess else {}
        return GcResult(tuple(map(found.path, chosen)), len(found.paths) - len(chosen), freed, (), excess, keepers)
    if store.refusal is not None:
        raise store.refusal
    bus_error.install()
    with FileLock(store.root / "locks" / "gc"):
        return _Collection(store, policy).run()


class _Collection:
    """One collection. The caller holds the lock `gc`."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._root = store.root
        self._policy = policy
        self._freed = 0
        self._deleted: list[StorePath] = []

    def run(self) -> GcResult:
        if space.room(self._root).is_scarce:
            space.release(self._root)
        try:
            kept, found = self._run()
        except StoreFull:
            self._freed += make_room(self._root)
            kept, found = self._run()
        self._tidy()
        gone = tuple(forget_gone(self._root))
        excess = _excess(self._root, self._policy)
        return GcResult(tuple(self._deleted), kept, self._freed, gone, excess, found.keepers() if excess else {})

    def _run(self) -> tuple[int, Survey]:
        """Delete paths. Return the number of kept paths, and the last survey."""
        store = self._store
        sweep(self._root, store.database, store.pool, thoroughly=True)
        leases.sweep(store)
        store.database.enlarge_cache()
        if trouble := store.database.trouble():
            raise failures.damaged(store.database.path, trouble)
        most = _ROUND if space.room(self._root).is_scarce else 0
        while True:
            try:
                found, chosen, has_more = self._forget(most)
            except StoreFull:
                # A transaction of fewer rows needs less space in the log. Its deleted trees free space for more rows.
                if most == 1:
                    raise
                most = max(most // _GROWTH, 1) if most else _ROUND
                continue
            self._deleted += map(found.path, chosen)
            self._delete_trees(found, set(chosen))
            self._delete_files()
            if not chosen or not (has_more or self._policy.has_goal):
                return len(found.paths) - len(chosen), found
            most *= _GROWTH

    def _forget(self, most: int) -> tuple[Survey, list[bytes], bool]:
        """Make dead paths invalid, at most `most` if not 0. Return the survey, these paths, and if more remain."""
        now = time.time()
        database = self._store.database
        # Durable: after a loss of power, no row may name a tree that was deleted.
        with marking(self._root, placing=False), database.transaction(durable=True) as db:
            _forget_sessions(self._root, db)
            found = survey(self._root, db, now, self._policy)
            order = _choose(self._root, found, self._policy, most)
            chosen = order[:most] if most else order
            # The hashes are sorted, so that neighbours in the indexes are deleted one after the other.
            database.forget(db, [(hash_,) for hash_ in sorted(chosen)])
            if len(chosen) == len(order):
                # On a full disk, these rows are deleted in the last round.
                _forget_derivations(self._root, db, found, set(chosen))
                _limit_rows(db, now)
        return found, chosen, len(chosen) < len(order)

    def _delete_trees(self, found: Survey, chosen: Collection[bytes]) -> None:
        """Delete trees whose paths are not valid, and empty the trash."""
        doomed: dict[str, bytes] = {}
        valid = set()
        for hash_, name in found.names.items():
            base = f"{base32.encode(hash_)}-{name}"
            if hash_ in chosen:
                doomed[base] = hash_
            else:
                valid.add(base)
        suspects: dict[str, list[tuple[str, bytes, bool]]] = {}
        for entry in os.scandir(self._root / "store"):
            if entry.name not in valid:
                hash_ = doomed.get(entry.name) or _hash(entry.name)
                is_directory = entry.is_dir(follow_symlinks=False)
                suspects.setdefault(entry.name[:2] if hash_ else "xx", []).append((entry.name, hash_, is_directory))
        trash = f"{self._root}/trash/{os.urandom(8).hex()}"
        numbers = itertools.count()
        for stripe, entries in sorted(suspects.items()):
            with FileLock(self._root / "locks" / f"path-{stripe}", transient=False):
                # Some paths may have been registered meanwhile.
                known = self._store.database.infos(hash_ for _, hash_, _ in entries if hash_)
                for name, hash_, is_directory in entries:
                    if hash_ not in known or known[hash_].path.base != name:
                        self._move(f"{self._root}/store/{name}", f"{trash}-{next(numbers)}", is_directory)
        self._empty_trash()

    def _move(self, path: str, target: str, is_directory: bool) -> None:
        """Move a tree to the trash."""
        try:
            if is_directory:
                # Renaming a directory to another parent needs write permission on the directory.
                os.chmod(path, 0o755)
            os.rename(path, target)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                self._store.discard(path)

    def _empty_trash(self) -> None:
        for entry in os.scandir(self._root / "trash"):
            remove_tree(Path(entry.path), self._count)

    def _count(self, status: os.stat_result) -> None:
        """Add the bytes of a directory, or of a file whose last link is deleted, to the freed bytes."""
        if status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
            self._freed += status.st_blocks * BLOCK

    def _delete_files(self) -> None:
        """Delete views, and the pool files that no tree links to."""
        self._delete_views()
        for path, size in self._store.pool.unused():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                self._freed += size

    def _delete_views(self) -> None:
        """Delete views of invalid paths: views/LAYOUT/PATH, and views/PATH, which former versions made."""
        for directory in (self._root / "views", *_directories(self._root / "views")):
            for path in _directories(directory):
                try:
                    valid = self._store.info(parse(path.name)) is not None
                except InvalidName:
                    valid = directory.name == "views" and any(path.iterdir())
                if not valid:
                    # Rename it first, so that no process uses a partly deleted view.
                    with contextlib.suppress(FileNotFoundError):
                        remove_tree(self._store.discard(path), self._count)

    def _tidy(self) -> None:
        """Delete old files, and compact the database and its journal."""
        now = time.time()
        for path in [*_files(self._root / "logs"), self._root / "db" / "damaged.sqlite"]:
            _delete_old(path, now - _LOG_DAYS * DAY, self._count)
        for path in _files(self._root / "partial"):
            _delete_old(path, now - _PARTIAL_DAYS * DAY, self._count)
        # If there is no space or another process writes, the files stay as they are, which is harmless.
        with contextlib.suppress(StoreFull, StoreBusy):
            self._store.database.rewrite_journal()
            self._store.database.compact()
        space.hold_back(self._root)


def make_room(root: Path) -> int:
    """Free space on a disk that is too full to open the database. Return the bytes freed.

    This deletes the reserve, the trash, pool files that no tree links to, logs, and downloads that no process
    continues.
    """
    freed = 0

    def count(status: os.stat_result) -> None:
        nonlocal freed
        freed += status.st_blocks * BLOCK

    space.release(root)
    for path in [*_files(root / "trash"), *_files(root / "logs")]:
        with contextlib.suppress(OSError):
            remove_tree(path, count)
    for name, size in Pool(root / "files").unused():
        with contextlib.suppress(OSError):
            os.unlink(name)
            freed += size
    for path in _files(root / "partial"):
        lock = root / "locks" / f"build-{path.name}"
        with contextlib.suppress(OSError):
            # If there is no lock file, no process continues the download. Creating a lock file might fail on the full
            # disk.
            if not lock.exists() or FileLock(lock).try_acquire():
                remove_tree(path, count)
    return freed


def _delete_old(path: Path, before: float, count: Callable[[os.stat_result], None]) -> None:
    with contextlib.suppress(FileNotFoundError):
        changed = path.lstat().st_mtime
        # A time in the future comes from a clock that was ahead.
        if changed <= before or changed > time.time() + DAY:
            remove_tree(path, count)


def _files(directory: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(directory)]
    except FileNotFoundError:
        return []


def _choose(root: Path, found: Survey, policy: Policy, most: int) -> list[bytes]:
    """Return the paths to delete, each after all paths that reference it, so that any beginning may be deleted."""
    dead, inputs = list(found.selection.dead), list(found.selection.inputs)

    def size(hash_: bytes) -> int:
        return found.paths[hash_].size

    if policy.has_goal:
        return until([*dead, *(() if policy.inputs else inputs)], size, _excess(root, policy))
    if policy.inputs:
        return dead
    if policy.inputs is False:
        return [*dead, *inputs]
    lacking = limits.minimum_free(root) - space.room(root).free - sum(map(size, dead))
    return [*dead, *until(inputs, size, lacking)]


def _excess(root: Path, policy: Policy) -> int:
    """Return the number of bytes that must still be freed to reach the goals; 0 if there are none."""
    excess = 0
    if policy.max_size is not None:
        excess = max(excess, limits.disk_usage(root) - policy.max_size)
    if policy.min_free is not None:
        excess = max(excess, policy.min_free - space.room(root).free)
    return excess


def _forget_sessions(root: Path, db: sqlite3.Connection) -> None:
    """Delete the temporary roots of sessions and leases whose files no longer exist, as after a loss of power."""
    for (name,) in db.execute("SELECT DISTINCT session FROM temporary_roots").fetchall():
        file = root / "locks" / name if name.startswith(LEASE) else root / "tmp" / f"{name}.lock"
        if not file.exists():
            db.execute("DELETE FROM temporary_roots WHERE session = ?", [name])


def _forget_derivations(root: Path, db: sqlite3.Connection, found: Survey, chosen: Collection[bytes]) -> None:
    """Delete derivations that neither a valid path nor a living process needs, within a transaction."""
    builds = found.builds
    needed = [maker for path, makers in builds.makers.items() if path not in chosen for maker in makers]
    # The derivation with the highest id stays, so that later derivations always have higher ids.
    first = min(first_planned(root), max(db.execute("SELECT max(id) FROM derivations").fetchone()[0] or 0, 1) - 1)
    needed += [digest for (digest,) in db.execute("SELECT digest FROM derivations WHERE id > ?", [first])]
    unneeded = builds.bodies.keys() - needed_derivations(builds.bodies, needed)
    db.executemany("DELETE FROM derivations WHERE digest = ?", ((digest,) for digest in unneeded))


def _limit_rows(db: sqlite3.Connection, now: float) -> None:
    """Delete old rows of the history, and rows about paths that are not valid; correct times in the future."""
    today, limit = int(now // DAY), now + DAY
    db.execute("UPDATE paths SET registered = ? WHERE registered > ?", [int(now), limit])
    db.execute("UPDATE uses SET day = ? WHERE day > ?", [today, today + 1])
    db.execute("UPDATE history SET at = ? WHERE at > ?", [int(now), limit])
    db.execute("DELETE FROM uses WHERE path NOT IN (SELECT hash FROM paths)")
    db.execute("DELETE FROM pins WHERE expires <= ? OR path NOT IN (SELECT hash FROM paths)", [now])
    db.execute("DELETE FROM history WHERE at < ?", [now - HISTORY_DAYS * DAY])
    db.execute("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", [HISTORY_ROWS])


def _hash(name: str) -> bytes:
    """Return the hash in the name of a store path's tree, or b"" for any other name."""
    try:
        return base32.decode(parse(name).hash)
    except InvalidName:
        return b""


def _directories(directory: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
