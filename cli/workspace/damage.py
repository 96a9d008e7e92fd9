"""Repair damaged paths of the store on demand: they become invalid, and the command builds them again."""

from __future__ import annotations

from fpack.cli.ui.render import note
from fpack.store.errors import DamagedPath, FpackError
from fpack.store.store import Store


class DamageRepairs:
    """The repairs of one command. A file that is damaged again after its repair is not repaired again."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def make(self, store: Store, error: FpackError) -> bool:
        """Repair the paths that an error is about. Return whether the command can be repeated."""
        failures = [failure for _, failure in getattr(error, "failures", ())] or [error]
        found = {failure.where: failure for failure in failures if isinstance(failure, DamagedPath)}
        if not found or self._done & found.keys():
            return False
        from fpack.store.damage import damaged_path, invalidate

        for where, failure in found.items():
            self._done.add(where)
            path = damaged_path(store, failure)
            if path is None:
                return False
            invalidate(store, failure)
            note(f"warning: {where} was damaged: {failure.why}; {path.base} is built again")
        return True


def repaired(error: DamagedPath) -> FpackError:
    """Repair the path of an error that ends the command. Return the error with a hint to run the command again."""
    store = Store()
    try:
        made = DamageRepairs().make(store, error)
    except FpackError:
        return error
    finally:
        store.close()
    return error.with_(hint="run the command again") if made else error
