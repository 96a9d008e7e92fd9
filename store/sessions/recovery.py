"""Delete the leftovers of killed processes: temporary files and roots, trash, locks, unused pool files.

Every session begins with a sweep (`Store.session`), and so does gc. The processes of a sandbox die with the fpack
process that started it. A sweep deletes only files that no process can use any more. It leaves files that it cannot
delete to the next session, because they do no harm.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

from fpack.store import DAY, base32
from fpack.store.database import Database
from fpack.store.errors import FpackError, StoreError
from fpack.store.files.placement import discard, make_movable, place
from fpack.store.files.pool import Pool
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import sync_directory
from fpack.store.files.tree import Node, scan, tree_digest
from fpack.store.locks import CLAIM_LOCK, FileLock, build_lock, path_locks
from fpack.store.path import StorePath, parse

from . import deferred_names
from .deferred_sync import FAILED, LIVING, SYNCED, state

REPAIR = "repair-"  # prefix of the trees in `tmp` that replace damaged trees
COMPARED = "again-"  # prefix of the keys of builds whose outputs are only compared with those in the store
_LOCK = ".lock"
# Prefixes of lock files of single builds and views. Other lock files are few, and stay.
_TRANSIENT = ("build-", "view-")


def sweep(root: Path, database: Database, pool: Pool, *, thoroughly: bool = False) -> int:
    """Delete the leftovers of sessions whose processes are dead. Return the number of these sessions.

    thoroughly: even if no session is dead, delete leftovers of ended sessions, except trash and pool files, which the
    caller deletes.
    """
    with FileLock(root / "locks" / "recovery", transient=False):  # a session begins when it cannot use leftovers
        return _sweep(root, database, pool, thoroughly=thoroughly)


def _sweep(root: Path, database: Database, pool: Pool, *, thoroughly: bool) -> int:
    dead = 0
    names = set(_names(root / "tmp"))
    owing = {session for _, _, session in database.unsynced()}
    for name in sorted(names):
        if name.startswith(REPAIR):
            _finish_repair(root, database, name.removeprefix(REPAIR))
        elif name.endswith(_LOCK):
            session = name.removesuffix(_LOCK)
            found = state(root, session)
            if session in owing and found != SYNCED:
                continue  # it lives, or the next process that opens the store needs its file
            with _dead(root / "tmp" / name) as is_dead:
                if is_dead:
                    _end(root / "tmp", session, database, is_synced=found == SYNCED)
                    dead += found != SYNCED
        elif _is_session(name) and f"{name}{_LOCK}" not in names and not is_present(root / f"tmp/{name}{_LOCK}"):
            # A session creates its lock file before its directory, and deletes the directory before the lock file.
            _remove(root / "tmp" / name)
            dead += 1
    if dead:
        for name in _names(root / "trash"):
            _remove(root / "trash" / name)
        _sweep_trees(root, database, pool)
    if dead or thoroughly:
        for name in _names(root / "locks"):
            if name.startswith(_TRANSIENT) or (name.startswith(CLAIM_LOCK) and _is_old(root / "locks" / name)):
                with _dead(root / "locks" / name):
                    pass
        _sweep_partial(root, database)
        _sweep_roots(root)
    return dead


def _is_old(path: Path) -> bool:
    """Return whether a file is older than any claim of a build that counts."""
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > DAY
    return False


def _is_session(name: str) -> bool:
    """Return whether an entry of `tmp` has the name of a session. `fpack doctor` creates other entries in `tmp`."""
    number, _, random = name.partition("-")
    return number.isdecimal() and len(random) == 12


@contextlib.contextmanager
def _dead(path: Path) -> Iterator[bool]:
    """Lock the lock file of a process if the process is dead. Yield whether it is dead. Then delete the file."""
    lock = FileLock(path)
    try:
        held = lock.try_acquire()
    except OSError:
        held = False
    try:
        yield held
    except BaseException:
        lock.release(keep=True)
        raise
    lock.release()


def _end(directory: Path, session: str, database: Database, *, is_synced: bool) -> None:
    _remove(directory / session)
    with database.transaction() as db:
        if is_synced:
            database.delete_unsynced(db, session)
        db.execute("DELETE FROM temporary_roots WHERE session = ?", [session])


def _finish_repair(root: Path, database: Database, base: str) -> None:
    """Replace a tree by the intact tree of a repair whose process was killed, or delete the replaced tree."""
    new, target = root / "tmp" / f"{REPAIR}{base}", root / "store" / base
    with contextlib.suppress(FpackError, OSError):
        path = parse(base)
        with path_locks(root, [path], wait=False) as is_held:
            if not is_held:
                return  # a living process repairs the path, or another one
            info = database.info(base32.decode(path.hash))
            if info is not None and info.path == path and _intact(new, info.tree) is not None:
                if is_present(target):
                    make_movable(target)
                    _remove(discard(root, target))
                place(new, target)
                sync_directory(target.parent)
            _remove(new)


def _intact(tree: Path, digest: bytes) -> Node | None:
    """Return a tree that has a digest, or None."""
    try:
        node = scan(os.fspath(tree))
        return node if tree_digest(node) == digest else None
    except (OSError, FpackError):
        return None


def recover(
    root: Path,
    database: Database,
    pool: Pool,
    invalidate: Callable[[Iterable[StorePath]], list[StorePath]],
    sync: Callable[[], None],
    *,
    is_writable: bool,
) -> list[StorePath]:
    """Check the paths that sessions registered and did not sync, except those of living sessions.

    invalidate: makes damaged paths and those that reference them invalid, and returns all of these. sync: syncs the
    file system of the store. Raise StoreError if a path is damaged and the store cannot be written.
    """
    lost: list[StorePath] = []
    for session in sorted({session for _, _, session in database.unsynced()}):
        with contextlib.ExitStack() as held:
            if is_writable:
                held.enter_context(FileLock(root / "locks" / "recovery", transient=False))
            found = state(root, session)
            if found == LIVING:
                continue
            bad: list[StorePath] = []
            if found != SYNCED:
                hashes = [hash_ for _, hash_, owner in database.unsynced() if owner == session]
                infos = database.infos(hashes).values()
                for info in infos:
                    node = _intact(root / "store" / info.path.base, info.tree) if found != FAILED else None
                    if node is None:
                        bad.append(info.path)
                    elif is_writable:
                        with contextlib.suppress(OSError):
                            deferred_names.add_tree(root, pool, info.path.base, node)
            if bad and not is_writable:
                raise StoreError(
                    "The store has a path that was not written to the disk", where=str(root / "store" / bad[0].base),
                    why="the machine lost power, or its disk failed, after the path was fetched",
                    hint="run any fpack command as the owner of the store: it removes the path",
                )  # fmt: skip
            if bad:
                inodes = {inode for path in bad for inode in _inodes(root / "store" / path.base)}
                _delete_pool_files(pool, inodes)
                lost += invalidate(bad)
            if is_writable:
                if found != SYNCED:
                    sync()
                with database.transaction() as db:
                    database.delete_unsynced(db, session)
    return lost


def _sweep_trees(root: Path, database: Database, pool: Pool) -> None:
    """Delete the trees that a dead session has not registered, and the files of the pool that only they link to.

    After a loss of power, ext4 can show such a file with its size and time, but with zeros as its content.
    """
    valid = database.names()
    inodes: set[int] = set()
    for name in _names(root / "store"):
        if name not in valid:
            with contextlib.suppress(FpackError, OSError), path_locks(root, [path := parse(name)]):
                if database.info(base32.decode(path.hash)) is None:
                    inodes.update(_inodes(root / "store" / name))
                    make_movable(root / "store" / name)
                    _remove(discard(root, root / "store" / name))
    _delete_pool_files(pool, inodes)


def _inodes(tree: Path) -> Iterator[int]:
    """Yield the inodes of a tree."""
    for path in (tree, *tree.rglob("*")):
        with contextlib.suppress(OSError):
            yield path.lstat().st_ino


def _delete_pool_files(pool: Pool, inodes: Container[int]) -> None:
    """Delete the files of the pool with these inodes, so that no new tree links to them, and those without a tree."""
    for name, _, status in pool.members():
        if status.st_nlink == 1 or status.st_ino in inodes:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _sweep_partial(root: Path, database: Database) -> None:
    """Delete the resume directories of builds that will not be resumed, because these ended or only compared outputs.

    Their processes were killed before they could delete these directories.
    """
    for name in _names(root / "partial"):
        with contextlib.suppress(ValueError):
            if name.startswith(COMPARED) or database.has_realisation(bytes.fromhex(name)):
                remove_partial(root, name)


def remove_partial(root: Path, name: str, count: Callable[[os.stat_result], None] | None = None) -> None:
    """Delete a build's resume directory, unless a process owns it. Ignore errors.

    count: called with the status of each deleted file.
    """
    lock = build_lock(root, name)
    with contextlib.suppress(OSError):
        try:
            is_free = lock.try_acquire()
        except OSError:
            # On a full disk, the lock file cannot be created. Without a lock file, no process owns the directory.
            is_free = not is_present(root / "locks" / f"build-{name}")
        try:
            if is_free:
                remove_tree(root / "partial" / name, count)
        finally:
            lock.release()


def _sweep_roots(root: Path) -> None:
    """Delete temporary links of roots that were not yet renamed. Processes that add roots hold the lock for sharing."""
    lock = FileLock(root / "locks" / "mark", transient=False)
    with contextlib.suppress(OSError):
        if lock.try_acquire():
            for name in _names(root / "roots"):
                if name.startswith("."):
                    _remove(root / "roots" / name)
            lock.release()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(path)


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
