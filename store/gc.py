"""Garbage collection: delete what no root needs, beside running builds, and never what they use.

Roots are results (`roots/` holds links to the links that users have) and what live processes said that they use. The
rows of the dead go in the transaction that found them dead, so a process either said in time that it uses a path, or
finds it invalid and makes it again. Only then do trees go, each under the lock that registration takes.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from fpack.store.files.remove import remove_tree

from . import base32, leases
from .database import PathInfo
from .errors import InvalidName
from .locks import FileLock
from .path import StorePath, parse
from .store import Store, sweep


class Collected(NamedTuple):
    """What a collection did, or would do: paths deleted and kept, and bytes of files freed."""

    deleted: tuple[StorePath, ...]
    kept: int
    freed: int


def add_root(store: Store, link: Path, target: Path) -> None:
    """Make `link` a symlink to `target`, something in the store, and a root for as long as it points there."""
    link = link.absolute()
    name = blake2b(os.fsencode(link), digest_size=16).hexdigest()
    with contextlib.suppress(OSError):
        # Left alone where it is so already: a directory that a source is made of stays as it is.
        if os.readlink(link) == os.fspath(target) and os.readlink(store.root / "roots" / name) == os.fspath(link):
            return
    temporary = link.with_name(f".{link.name}.{os.urandom(4).hex()}")
    os.symlink(target, temporary)
    os.replace(temporary, link)
    beside = store.root / "roots" / f".{name}.{os.urandom(4).hex()}"
    os.symlink(link, beside)
    os.replace(beside, store.root / "roots" / name)


def roots(store: Store) -> dict[str, StorePath]:
    """Each link that keeps a path, and the path. Links of ours whose link is gone are deleted."""
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


def live(infos: Iterable[PathInfo], kept: Iterable[bytes]) -> set[bytes]:
    """The hashes that `kept` ones need, transitively. A pure function of the rows."""
    references = {base32.decode(info.path.hash): info.references for info in infos}
    seen: set[bytes] = set()
    todo = [hash_ for hash_ in kept if hash_ in references]
    while todo:
        hash_ = todo.pop()
        if hash_ not in seen:
            seen.add(hash_)
            todo += references.get(hash_, ())
    return seen


def collect(store: Store, *, dry_run: bool = False, older_than: float = 0) -> Collected:
    """Delete every path that no root needs and that was registered more than `older_than` seconds ago."""
    sweep(store)
    with FileLock(store.root / "locks" / "gc"):
        leases.sweep(store)
        dead, kept = _forget(store, dry_run, older_than)
        if dry_run:
            return Collected(tuple(i.path for i in dead), kept, sum(i.size for i in dead))
        _delete_trees(store)
        _delete_views(store)
        freed = 0
        for place, size in store.pool.unused():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
                freed += size
        _delete_old(store.root / "partial", time.time() - 7 * 86400)
        _delete_old(store.root / "logs", time.time() - 30 * 86400)
    return Collected(tuple(i.path for i in dead), kept, freed)


def _forget(store: Store, dry_run: bool, older_than: float) -> tuple[list[PathInfo], int]:
    """Delete the rows of the dead; the dead, and how many paths live."""
    limit = time.time() - older_than
    with store.database.transaction() as db:
        infos = store.database.paths()
        kept = {base32.decode(path.hash) for path in roots(store).values()}
        kept.update(row[0] for row in db.execute("SELECT path FROM temporary_roots"))
        if older_than:
            kept.update(base32.decode(i.path.hash) for i in infos if i.registered > limit)
        alive = live(infos, kept)
        dead = [i for i in infos if base32.decode(i.path.hash) not in alive]
        if not dry_run:
            hashes = [(base32.decode(i.path.hash),) for i in dead]
            db.executemany("DELETE FROM paths WHERE hash = ?", hashes)
            db.executemany("DELETE FROM realisations WHERE path = ?", hashes)
            db.executemany("DELETE FROM outputs WHERE path = ?", hashes)
            db.execute("DELETE FROM derivations WHERE digest NOT IN (SELECT derivation FROM outputs)")
    return dead, len(alive)


def _delete_trees(store: Store) -> None:
    """Delete what lies in the store and is not valid, and the trash. The bytes are freed with the pool's files."""
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
    """Delete what was made on disk from paths that are not valid any more: views/LAYOUT/PATH, and views/PATH of old."""
    for folder in (store.root / "views", *_directories(store.root / "views")):
        for place in _directories(folder):
            try:
                valid = store.info(parse(place.name)) is not None
            except InvalidName:
                valid = folder.name == "views" and any(place.iterdir())
            if not valid:
                # Under another name at once, so that nobody takes half of one for a whole.
                doomed = store.root / "trash" / os.urandom(8).hex()
                with contextlib.suppress(FileNotFoundError):
                    os.rename(place, doomed)
                    remove_tree(doomed)


def _directories(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _delete_old(folder: Path, before: float) -> None:
    for entry in os.scandir(folder):
        if entry.stat(follow_symlinks=False).st_mtime < before:
            remove_tree(Path(entry.path))
