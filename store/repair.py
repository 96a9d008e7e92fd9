"""Replace damaged trees by intact trees in one step, and delete damaged pool files and views.

The caller provides the intact trees: it builds the recorded derivations again, or reads a closure file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from fpack.store.files.placement import make_final, make_movable, place
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.files.sync import sync_directory
from fpack.store.files.writer import TreeWriter

from .errors import StoreError
from .locks import FileLock, path_locks
from .path import StorePath
from .sessions.recovery import REPAIR
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
    with FileLock(store.root / "locks" / "gc"), path_locks(store.root, [path]):
        info = store.info(path)
        if info is None or info.tree != digest:
            why = "it is no longer valid" if info is None else "the new tree has another digest"
            raise StoreError("A path cannot be repaired", where=str(path), why=why)
        new = store.root / "tmp" / f"{REPAIR}{path.base}"
        remove_tree(new)
        make_movable(writer.disk)
        os.rename(writer.disk, new)
        store.sync()
        _exchange(store, new, store.disk(path))
        sync_directory(store.root / "store")
        remove_tree(new)


def _exchange(store: Store, new: Path, old: Path) -> None:
    """Put `new` in place of `old`, which may be missing. Afterwards `new` is the old tree, if it is anywhere.

    If the file system cannot exchange names, the path has no tree for a moment, as during a collection. If the process
    is killed at that moment, the next session finds the new tree (`recovery.sweep`).
    """
    if not is_present(old):
        place(new, old)
        return
    make_movable(old)
    if _swap(new, old):
        make_final(old)
        return
    discarded = store.discard(old)
    place(new, old)
    remove_tree(discarded)


def _swap(one: Path, two: Path) -> bool:
    """Exchange two names in one step. Return False if the C library or the file system cannot do it."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    return int(call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(two), _RENAME_EXCHANGE)) == 0
