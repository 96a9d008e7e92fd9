"""Collect garbage: delete what no root needs, while builds run, and never what a build uses.

Roots are results (`roots/` holds links to the users' result links) and the temporary roots of live processes. The
transaction that finds dead paths also deletes their rows. So a process either registers a path as a temporary root in
time, or finds it invalid and builds it again. Trees are deleted after that, each under the lock that registration
takes.
"""

from __future__ import annotations

import contextlib
import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from fpack.store.files.remove import remove_tree

from . import base32, leases
from .database import PathInfo
from .errors import InvalidName
from .graph import live
from .locks import FileLock
from .path import StorePath, parse
from .recovery import sweep
from .store import Store


class GcResult(NamedTuple):
    """The result of a collection, or of a dry run: deleted paths, number of kept paths, bytes of files freed."""

    deleted: tuple[StorePath, ...]
    kept: int
    freed: int


def add_root(store: Store, link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, a path in the store, and a root for as long as it points there.

    A path that is valid after this call stays valid: no collection is between finding roots and deleting paths.
    """
    with FileLock(store.root / "locks" / "mark", transient=False, shared=True):
        _place_link(store, link.absolute(), target)


def _place_link(store: Store, link: Path, target: Path) -> None:
    name = blake2b(os.fsencode(link), digest_size=16).hexdigest()
    with contextlib.suppress(OSError):
        # An unchanged link is not written again: writing would change the mtime of its directory.
        if os.readlink(link) == os.fspath(target) and os.readlink(store.root / "roots" / name) == os.fspath(link):
            return
    temporary = link.with_name(f".{link.name}.{os.urandom(4).hex()}")
    os.symlink(target, temporary)
    os.replace(temporary, link)
    beside = store.root / "roots" / f".{name}.{os.urandom(4).hex()}"
    os.symlink(link, beside)
    os.replace(beside, store.root / "roots" / name)


def roots(store: Store) -> dict[str, StorePath]:
    """Return the path that each root link keeps. Delete entries of `roots/` whose link is gone."""
    found: dict[str, StorePath] = {}
    prefix = f"{store.root}/store/"
    for entry in sorted((store.root / "roots").iterdir()):
        try:
            link = os.readlink(entry)
            target = os.readlink(link)
        except OSError:
            if not entry.name.startswith("."):
                with contextlib.suppress(OSError):
                    entry.unlink()
            continue
        if target.startswith(prefix):
            with contextlib.suppress(InvalidName):
                found[link] = parse(target[len(prefix) :].partition("/")[0])
    return found


def collect(store: Store, *, dry_run: bool = False, older_than: float = 0) -> GcResult:
    """Delete every path that no root needs and that was registered more than `older_than` seconds ago."""
    sweep(store.root, store.database, store.pool)
    with FileLock(store.root / "locks" / "gc"):
        leases.sweep(store)
        dead, kept = _forget(store, dry_run, older_than)
        if dry_run:
            return GcResult(tuple(i.path for i in dead), kept, sum(i.size for i in dead))
        _delete_trees(store)
        _delete_views(store)
        freed = 0
        for path, size in store.pool.unused():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                freed += size
        _delete_old(store.root / "partial", time.time() - 7 * 86400)
        _delete_old(store.root / "logs", time.time() - 30 * 86400)
    return GcResult(tuple(i.path for i in dead), kept, freed)


def _forget(store: Store, dry_run: bool, older_than: float) -> tuple[list[PathInfo], int]:
    """Delete the rows of dead paths. Return the dead paths and the number of live ones."""
    limit = time.time() - older_than
    # Durable: after a loss of power, no row may name a tree that was deleted.
    with _marking(store), store.database.transaction(durable=not dry_run) as db:
        infos = store.database.paths()
        kept = {base32.decode(path.hash) for path in roots(store).values()}
        kept.update(row[0] for row in db.execute("SELECT path FROM temporary_roots"))
        if older_than:
            kept.update(base32.decode(i.path.hash) for i in infos if i.registered > limit)
        alive = live({base32.decode(i.path.hash): i.references for i in infos}, kept)
        dead = [i for i in infos if base32.decode(i.path.hash) not in alive]
        if not dry_run:
            hashes = [(base32.decode(i.path.hash),) for i in dead]
            store.database.forget(db, hashes)
            db.execute("DELETE FROM derivations WHERE digest NOT IN (SELECT derivation FROM outputs)")
    return dead, len(alive)


def _marking(store: Store) -> FileLock:
    """Return the lock that keeps new roots from being placed."""
    return FileLock(store.root / "locks" / "mark", transient=False)


def _delete_trees(store: Store) -> None:
    """Delete trees that are not valid, and the trash. Deleting the pool's files frees the bytes."""
    for entry in os.scandir(store.root / "store"):
        try:
            path = parse(entry.name)
        except InvalidName:
            path = None
        stripe = path.hash[:2] if path else "xx"
        with FileLock(store.root / "locks" / f"path-{stripe}", transient=False):
            if path is None or store.info(path) is None:
                if entry.is_dir(follow_symlinks=False):
                    os.chmod(entry.path, 0o755)
                os.rename(entry.path, store.root / "trash" / os.urandom(8).hex())
    for entry in os.scandir(store.root / "trash"):
        remove_tree(Path(entry.path))


def _delete_views(store: Store) -> None:
    """Delete views of paths that are not valid any more: views/LAYOUT/PATH, and views/PATH of former versions."""
    for directory in (store.root / "views", *_directories(store.root / "views")):
        for path in _directories(directory):
            try:
                valid = store.info(parse(path.name)) is not None
            except InvalidName:
                valid = directory.name == "views" and any(path.iterdir())
            if not valid:
                # Rename it first, so that no process uses a partly deleted view.
                doomed = store.root / "trash" / os.urandom(8).hex()
                with contextlib.suppress(FileNotFoundError):
                    os.rename(path, doomed)
                    remove_tree(doomed)


def _directories(directory: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _delete_old(directory: Path, before: float) -> None:
    for entry in os.scandir(directory):
        if entry.stat(follow_symlinks=False).st_mtime < before:
            remove_tree(Path(entry.path))
