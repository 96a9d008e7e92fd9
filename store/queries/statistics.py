"""Measure the disk usage of the store: the size of each kind of path, shared files, and what gc would free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fpack.store import gc
from fpack.store.collection.limits import usage_below
from fpack.store.files.pool import BLOCK
from fpack.store.store import Store

from .inventory import InventoryEntry, inventory


class KindTotal(NamedTuple):
    """The paths of one kind: their number and the bytes of their files."""

    kind: str
    paths: int
    size: int


class StoreStatistics(NamedTuple):
    """The disk usage of a store. Sizes are in bytes.

    paths: number of valid paths. trees: size of all trees; a shared file counts in each. pool_files, pool: number and
    size of the pool's files. pool_disk: disk space of the pool's files. unused: size of the pool files that no tree
    links to. others: disk space of the store's other directories, by name. dead: number of paths that gc would delete.
    freed: the space that gc would free at most.
    """

    kinds: tuple[KindTotal, ...]
    paths: int
    trees: int
    pool_files: int
    pool: int
    pool_disk: int
    unused: int
    others: Mapping[str, int]
    dead: int
    freed: int


def statistics(store: Store) -> StoreStatistics:
    """Measure the store. This looks at every file of the pool."""
    entries = inventory(store)
    files = size = disk = unused = 0
    for _, _, status in store.pool.members():
        files += 1
        size += status.st_size
        disk += status.st_blocks * BLOCK
        unused += status.st_size if status.st_nlink == 1 else 0
    collected = gc.collect(store, dry_run=True)
    return StoreStatistics(
        totals(entries),
        len(entries),
        sum(entry.size for entry in entries),
        files,
        size,
        disk,
        unused,
        {name: usage_below(store.root / name) for name in ("db", "logs", "partial", "trash", "tmp")},
        len(collected.deleted),
        collected.freed,
    )


def totals(entries: Iterable[InventoryEntry]) -> tuple[KindTotal, ...]:
    """Return the totals of each kind, largest first."""
    found: dict[str, KindTotal] = {}
    for entry in entries:
        total = found.get(entry.kind, KindTotal(entry.kind, 0, 0))
        found[entry.kind] = total._replace(paths=total.paths + 1, size=total.size + entry.size)
    return tuple(sorted(found.values(), key=lambda total: (-total.size, total.kind)))
