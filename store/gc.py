"""Collect garbage: delete the paths that no root needs. Builds can run meanwhile, and the paths that they use are kept.

Dead paths are found in a snapshot of the database, so that other processes can write meanwhile. The transaction that
deletes their rows, durably, spares the paths that became needed since the snapshot. So another process either made a
path a temporary root before the transaction, or finds the path invalid and builds it again. Trees are deleted
afterwards, under the locks that registration takes. The modules of `collection/` find roots, select paths, delete trees
and measure free space.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store.files import bus_error, space
from fpack.store.files.pool import BLOCK, Pool
from fpack.store.files.remove import remove_tree

from . import DAY, LEASE, leases
from .collection import limits
from .collection.deletion import Deleter
from .collection.roots import add_link, forget_gone, mark_lock, restore_named
from .collection.selection import needed_derivations, until
from .collection.survey import Policy, Survey, first_new, first_planned, kept_since, last_rows, survey
from .db import failures
from .db.clock import Timeline
from .errors import StoreBusy, StoreFull
from .locks import FileLock
from .path import StorePath
from .sessions.recovery import remove_partial, sweep
from .settings import KEEP_PACKS
from .store import FOREVER, Store

HISTORY_ROWS, HISTORY_DAYS = 100_000, 400  # limits of the history of builds
# On a full disk, the transaction that deletes rows needs space itself. So the first round deletes few paths, and each
# round gives the next one the space for more.
_ROUND = 256  # number of paths of the first round
_GROWTH = 8  # factor from one round to the next
_PARTIAL_DAYS, _LOG_DAYS = 7, 30  # age at which downloads that were cut off, and logs of builds, are deleted


class GcResult(NamedTuple):
    """The result of a collection, or of a dry run: deleted paths, number of kept paths, bytes of the disk freed.

    gone: result links that no longer exist and no longer keep their paths. doubt: why the clock may be wrong, or "".
    roots: named roots whose links were missing and were made again. excess: the bytes by which the goals of the policy
    were missed. keepers: if they were missed, the bytes of the remaining paths by the kind of their root.
    """

    deleted: tuple[StorePath, ...]
    kept: int
    freed: int
    gone: tuple[str, ...] = ()
    doubt: str = ""
    roots: tuple[str, ...] = ()
    excess: int = 0
    keepers: Mapping[str, int] = {}


def add_root(store: Store, link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, a path in the store, and a root while the symlink points to it."""
    store.settle()
    add_link(store.root, link, target, is_root=store.refusal is None)


def survey_store(store: Store, policy: Policy) -> Survey:
    """Return which paths a collection now would keep, and why. Change nothing."""
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
    trust_clock: bool = False,
) -> GcResult:
    """Delete paths that no root needs. The arguments are those of `Policy`."""
    policy = Policy(older_than, keep_recent, max_size, min_free, inputs, trust_clock)
    if dry_run:
        found = survey_store(store, policy)
        chosen = _choose(store.root, found, policy)
        freed = sum(found.paths[hash_].size for hash_ in chosen)
        kept, doubt = len(found.paths) - len(chosen), found.timeline.doubt
        excess = max(_excess(store.root, policy) - freed, 0)
        keepers = found.keepers() if excess else {}
        return GcResult(tuple(map(found.path, chosen)), kept, freed, doubt=doubt, excess=excess, keepers=keepers)
    if store.refusal is not None:
        raise store.refusal
    bus_error.install()  # SQLite maps a file: a failing disk must end in a message, not in a crash
    with FileLock(store.root / "locks" / "gc"):
        return _Collection(store, policy).run()


class _Collection:
    """One collection. The caller holds the lock `gc`.

    A round makes paths invalid and then deletes their trees. There is one round unless the disk is full or the policy
    has a goal, which is measured again after each round.
    """

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._root = store.root
        self._policy = policy
        self._deleter = Deleter(store.root, store.database, store.pool, store.discard)
        self._deleted: list[StorePath] = []
        self._last = 0  # number of paths that the last round deleted

    def run(self) -> GcResult:
        """Delete paths, tidy the store, and count what is left."""
        if space.room(self._root).is_scarce:
            space.release(self._root)  # the reserve: `_tidy` makes it again
            # The log of a command that met the full disk is often many times as large as the database.
            with contextlib.suppress(StoreFull, StoreBusy):
                self._store.database.empty_log()
        try:
            found = self._delete_paths()
        except StoreFull:
            self._deleter.freed.total += make_room(self._root)
            found = self._delete_paths()
        self._tidy(found.timeline)
        kept = len(found.paths) - self._last
        gone, made = forget_gone(self._root), restore_named(self._root, self._store.database)
        excess = _excess(self._root, self._policy)
        return GcResult(
            tuple(self._deleted),
            kept,
            self._deleter.freed.total,
            tuple(gone),
            found.timeline.doubt,
            tuple(made),
            excess,
            found.keepers() if excess else {},
        )

    def _delete_paths(self) -> Survey:
        """Delete paths in rounds. Return the survey of the last round."""
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
            self._deleter.delete_trees(found.names, set(chosen))
            self._deleter.delete_views()
            self._deleter.delete_files(len(found.paths))
            if not chosen or not (has_more or self._policy.has_goal):
                self._last = len(chosen)
                return found
            most *= _GROWTH

    def _forget(self, most: int) -> tuple[Survey, list[bytes], bool]:
        """Make dead paths invalid, at most `most` of them; 0: all. Return the survey, these paths, and if more remain.

        The hashes of the paths are in the order of deletion.
        """
        now = time.time()
        database = self._store.database
        with mark_lock(self._root, placing=False):
            with database.transaction() as db:
                _forget_sessions(self._root, db)
            # Other processes can write while this process marks.
            with database.reading() as db:
                last = last_rows(db)
                found = survey(self._root, db, now, self._policy)
            order = _choose(self._root, found, self._policy)
            chosen = order[:most] if most else order
            has_more = len(chosen) < len(order)
            # Durable: after a loss of power, no row may name a tree that was deleted.
            with database.transaction(durable=True) as db:
                spared = kept_since(db, found, last)
                chosen = [hash_ for hash_ in chosen if hash_ not in spared]
                # The hashes are sorted, so that neighbours in the indexes are deleted one after the other.
                database.forget(db, [(hash_,) for hash_ in sorted(chosen)])
                if not has_more:
                    # On a full disk, these rows are deleted in the last round.
                    _forget_derivations(self._root, db, found, set(chosen), first_new(db, last, "outputs"))
                    _limit_rows(db, found.timeline)
                    if self._policy.trust_clock:
                        _correct_times(db, now)
        return found, chosen, has_more

    def _tidy(self, timeline: Timeline) -> None:
        """Delete old files, and compact the database and its journal."""
        count = self._deleter.freed.add
        for path in [*_files(self._root / "logs"), *(self._root / "db").glob("damaged*.sqlite*")]:
            if self._is_old(path, timeline, _LOG_DAYS):
                remove_tree(path, count)
        for path in _files(self._root / "partial"):
            if self._is_old(path, timeline, _PARTIAL_DAYS):
                remove_partial(self._root, path.name, count)
        # If there is no space or another process writes, the files stay as they are, which is harmless.
        with contextlib.suppress(StoreFull, StoreBusy):
            self._store.database.rewrite_journal()
            self._store.database.compact()
        space.hold_back(self._root)

    def _is_old(self, path: Path, timeline: Timeline, days: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            age = timeline.age(path.lstat().st_mtime)
            # A time in the future comes from a clock that was ahead, or the clock is behind now.
            return age >= days * DAY or (self._policy.trust_clock and age < -DAY)
        return False


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
        remove_partial(root, path.name, count)
    return freed


def _files(directory: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(directory)]
    except FileNotFoundError:
        return []


def _choose(root: Path, found: Survey, policy: Policy) -> list[bytes]:
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


def _forget_derivations(
    root: Path, db: sqlite3.Connection, found: Survey, chosen: Collection[bytes], first_output: int
) -> None:
    """Delete derivations that neither a valid path nor a living process needs, within a transaction."""
    builds = found.builds
    needed = [maker for path, makers in builds.makers.items() if path not in chosen for maker in makers]
    needed += [maker for (maker,) in db.execute("SELECT derivation FROM outputs WHERE id > ?", [first_output])]
    # The derivation with the highest id stays, so that later derivations always have higher ids.
    first = min(first_planned(root), max(db.execute("SELECT max(id) FROM derivations").fetchone()[0] or 0, 1) - 1)
    needed += [digest for (digest,) in db.execute("SELECT digest FROM derivations WHERE id > ?", [first])]
    unneeded = builds.bodies.keys() - needed_derivations(builds.bodies, needed)
    db.executemany("DELETE FROM derivations WHERE digest = ?", ((digest,) for digest in unneeded))


def _limit_rows(db: sqlite3.Connection, timeline: Timeline) -> None:
    """Delete old rows of the history, and rows about paths that are not valid."""
    db.execute("DELETE FROM uses WHERE path NOT IN (SELECT hash FROM paths)")
    db.execute("DELETE FROM pins WHERE path NOT IN (SELECT hash FROM paths)")
    expired = [(at,) for (at,) in db.execute("SELECT DISTINCT expires FROM pins") if timeline.age(at) >= 0]
    db.executemany("DELETE FROM pins WHERE expires = ?", expired)
    if not timeline.doubt:
        db.execute("DELETE FROM history WHERE at < ?", [timeline.now - HISTORY_DAYS * DAY])
    db.execute("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", [HISTORY_ROWS])


def _correct_times(db: sqlite3.Connection, now: float) -> None:
    """Replace recorded times in the future by the present time."""
    db.execute("UPDATE paths SET registered = ? WHERE registered > ?", [int(now), now])
    db.execute("UPDATE uses SET day = ? WHERE day > ?", [int(now // DAY)] * 2)
    db.execute("UPDATE history SET at = ? WHERE at > ?", [int(now), now])
    if (days := KEEP_PACKS.find()) is not None:
        expires = int(now + days * DAY)
        db.execute("UPDATE pins SET expires = ? WHERE expires > ? AND expires < ?", [expires, expires, FOREVER])
