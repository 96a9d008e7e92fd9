"""List the valid paths with their sizes and kinds, and select some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fpack.store import base32
from fpack.store.database import Database
from fpack.store.derivation import kind_of
from fpack.store.path import StorePath
from fpack.store.store import Store


class InventoryEntry(NamedTuple):
    """A valid path. size: bytes of its files. registered: registration time, in seconds since 1970.

    kind: the kind of the derivation that made it, or "" if that is not known.
    """

    path: StorePath
    size: int
    registered: int
    kind: str


class Filter(NamedTuple):
    """A selection of paths; None accepts every path.

    larger_than: bytes. before, since: the path was registered before, or not before, this time in seconds since 1970.
    """

    kind: str | None = None
    larger_than: int | None = None
    before: float | None = None
    since: float | None = None

    def accepts(self, entry: InventoryEntry) -> bool:
        """Return whether a path is selected."""
        return (
            (self.kind is None or entry.kind == self.kind)
            and (self.larger_than is None or entry.size > self.larger_than)
            and (self.before is None or entry.registered < self.before)
            and (self.since is None or entry.registered >= self.since)
        )


def inventory(store: Store) -> list[InventoryEntry]:
    """Return every valid path."""
    infos = store.database.paths()
    kinds = _kinds(store.database)
    return [
        InventoryEntry(info.path, info.size, info.registered, kinds.get(base32.decode(info.path.hash), ""))
        for info in infos
    ]


def select(entries: Iterable[InventoryEntry], wanted: Filter) -> list[InventoryEntry]:
    """Return the entries that a filter accepts."""
    return [entry for entry in entries if wanted.accepts(entry)]


def _kinds(database: Database) -> Mapping[bytes, str]:
    """Return the kind of derivation that made each path, by the path's hash, as far as it is recorded."""
    origins = database.origins()
    known = {name: kind_of(body) for name, body in database.bodies({derivation for _, derivation in origins})}
    return {path: known[derivation] for path, derivation in origins if known.get(derivation)}
