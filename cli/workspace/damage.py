"""Repair damaged paths of the store on demand: they become invalid, and the command builds them again."""

from __future__ import annotations

from fpack.cli.ui.render import note
from fpack.store.errors import DamagedPath, FpackError, InvalidName
from fpack.store.path import StorePath, parse
from fpack.store.store import Store


class DamageRepairs:
    """The repairs of one command. A file that is damaged again after its repair is not repaired again.

    described: paths whose trees lack files on purpose (`builders/intake/described_paths.py`). They are built when a
    file is needed, which is no damage.
    """

    def __init__(self, described: set[StorePath] | None = None) -> None:
        self._done: set[str] = set()
        self._described = set() if described is None else described

    def make(self, store: Store, error: FpackError) -> bool:
        """Repair the paths that an error is about. Return whether the command can be repeated."""
        failures = [failure for _, failure in getattr(error, "failures", ())] or [error]
        found = {failure.where: failure for failure in failures if isinstance(failure, DamagedPath)}
        if not found or self._done & found.keys():
            return False
        for where, failure in found.items():
            self._done.add(where)
            path = damaged_path(store, failure)
            if path is None:
                return False
            if path in self._described:
                self._described.discard(path)
                store.invalidate([path])
                continue
            invalidate(store, path)
            note(f"warning: {where} was damaged: {failure.why}; {path.base} is built again")
        return True


def repaired(error: DamagedPath) -> FpackError:
    """Repair the path of an error that ends the command. Return the error with a hint to run the command again."""
    try:
        store = Store()
        try:
            made = DamageRepairs().make(store, error)
        finally:
            store.close()
    except FpackError:
        return error
    return error.with_(hint="run the command again") if made else error


def damaged_path(store: Store, error: DamagedPath) -> StorePath | None:
    """Return the store path that an error is about, or None if it is not in this store."""
    base, _, _ = error.where.removeprefix(f"{store.root}/store/").partition("/")
    try:
        return parse(base) if error.where.startswith(f"{store.root}/store/") else None
    except InvalidName:
        return None


def invalidate(store: Store, path: StorePath) -> list[StorePath]:
    """Make a damaged path and all that reference it invalid. Return these paths, sorted.

    Delete files of the pool that the path shares and whose content is not theirs: a new tree would link to them. Delete
    views that link to them.
    """
    from fpack.store.graph import dependents
    from fpack.store.repair import delete_pool_files, delete_views
    from fpack.store.verify import damaged_pool_files

    delete_pool_files(damaged_pool_files(store, [path]))
    delete_views(store, dependents(store.database.paths(), [path]))
    return store.invalidate([path])
