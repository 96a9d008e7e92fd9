"""Replace damaged trees by intact trees in one step, and delete damaged pool files and views.

The caller provides the intact trees: it builds the recorded derivations again, or reads a closure file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fpack.store.files.pool import MTIME
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import sync_directory
from fpack.store.files.writer import TreeWriter

from .errors import StoreError
from .locks import FileLock
from .path import StorePath
from .store import Store

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def delete_pool_files(paths: Iterable[str]) -> None:
    """Delete damaged files of the pool, so that no new tree links to them."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def delete_views(store: Store, paths: Collection[StorePath]) -> None:
    """Delete the views of `paths`, because views link to the files of roots and slices, including damaged files."""
    names = {path.base for path in paths}
    with FileLock(store.root / "locks" / "gc"):
        for directory, below, _ in os.walk(store.root / "views"):
            for name in names.intersection(below):
                # A view is renamed first, so that no process uses a partly deleted view.
                with contextlib.suppress(FileNotFoundError):
                    remove_tree(store.discard(f"{directory}/{name}"))
            # Views are views/LAYOUT/PATH.
            below[:] = [] if directory != os.fspath(store.root / "views") else below


def replace_tree(store: Store, path: StorePath, writer: TreeWriter) -> None:
    """Replace the tree of a valid path by the writer's tree, in one step. Both must have the recorded digest.

    A process that reads the path meanwhile sees the old tree or the new one. Raise StoreError if the path is no longer
    valid, or if its row has another digest.
    """
    digest = writer.finish()
    with _exclusively(store, [path]):
        info = store.info(path)
        if info is None or info.tree != digest:
            why = "it is no longer valid" if info is None else "the new tree has another digest"
            raise StoreError("A path cannot be repaired", where=str(path), why=why)
        directory = stat.S_ISDIR(os.lstat(writer.disk).st_mode)
        # Move the new tree beside the old tree first. A directory must be writable to move to another parent, but not
        # to be exchanged within its parent.
        beside = store.root / "store" / f".repair-{os.urandom(8).hex()}"
        if directory:
            os.chmod(writer.disk, 0o755)
        os.rename(writer.disk, beside)
        if directory:
            os.chmod(beside, 0o555)
            os.utime(beside, (MTIME, MTIME))
        store.sync()
        _exchange(beside, store.disk(path))
        sync_directory(store.root / "store")
        if is_present(beside):
            remove_tree(beside)


def _exchange(new: Path, old: Path) -> None:
    """Put `new` in place of `old`, which may be missing. Afterwards `new` is the old tree, if it existed."""
    if not is_present(old):
        os.rename(new, old)
        return
    if _swap(new, old):
        return
    # The file system cannot exchange names, so the path has no tree for a moment, as during a collection.
    aside = new.with_name(f"{new.name}-old")
    os.rename(old, aside)
    os.rename(new, old)
    os.rename(aside, new)


def _swap(one: Path, two: Path) -> bool:
    """Exchange two names in one step. Return False if the C library or the file system cannot do it."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    return int(call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(two), _RENAME_EXCHANGE)) == 0


@contextmanager
def _exclusively(store: Store, paths: Iterable[StorePath]) -> Iterator[None]:
    """Exclude gc and processes that register the same paths."""
    with FileLock(store.root / "locks" / "gc"), _locked(store, paths):
        yield


@contextmanager
def _locked(store: Store, paths: Iterable[StorePath]) -> Iterator[None]:
    with ExitStack() as held:
        # Every process takes path locks in sorted order, so that there is no deadlock.
        for stripe in sorted({path.hash[:2] for path in paths}):
            held.enter_context(FileLock(store.root / "locks" / f"path-{stripe}", transient=False))
        yield
