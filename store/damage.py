"""Make a damaged path invalid, together with the paths that reference it, so that the next build makes it again."""

from __future__ import annotations

from .errors import DamagedPath, InvalidName
from .graph import dependents
from .path import StorePath, parse
from .repair import delete_pool_files, delete_views
from .store import Store
from .verify import damaged_pool_files


def damaged_path(store: Store, error: DamagedPath) -> StorePath | None:
    """Return the store path that an error is about, or None if it is not in this store."""
    base, _, rest = error.where.removeprefix(f"{store.root}/store/").partition("/")
    try:
        return parse(base) if error.where.startswith(f"{store.root}/store/") else None
    except InvalidName:
        return None


def invalidate(store: Store, error: DamagedPath) -> list[StorePath]:
    """Make the path of an error and all that reference it invalid. Return these paths, sorted.

    Delete files of the pool that the path shares and whose content is not theirs: a new tree would link to them. Delete
    views that link to them.
    """
    path = damaged_path(store, error)
    if path is None:
        return []
    delete_pool_files(damaged_pool_files(store, [path]))
    delete_views(store, dependents(store.database.paths(), [path]))
    return store.invalidate([path])
