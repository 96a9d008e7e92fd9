"""Which layer of an image holds what: a pure function of what is to go in, and of how many layers there may be.

Every slice and store path has a layer of its own as long as there is room. Past that, the large ones keep theirs and
the small ones share buckets. A bucket is chosen by a hash of the name alone, and what is large by its size rounded to
a power of two, so that a new version of one package changes one layer and moves no other: sorting by exact size, or
filling layers one after the other, would let one change ripple through all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from blake3 import blake3
from fpack.store.path import StorePath

MAX_BUCKETS = 16
_VERSION = re.compile(r"-\d.*")


class Item(NamedTuple):
    """A store path to put into an image, at `prefix` ("": a tree with a table, at /).

    name: the package's, the same in all versions. size: bytes of its files. exclude: relative paths to leave out.
    """

    path: StorePath
    prefix: str
    name: str
    size: int
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Group(NamedTuple):
    """One layer. name: a store name for it."""

    name: str
    items: tuple[Item, ...]


def stable_name(path: StorePath) -> str:
    """A store path's name without its version."""
    return _VERSION.sub("", path.name) or path.name


def plan(items: Sequence[Item], room: int) -> list[Group]:
    """The layers of `items`, at most `room` of them: those of one item in the order of `items`, then the buckets."""
    if room < 1:
        raise ValueError("no room for any layer")
    alone = set(range(len(items)))
    buckets = 0
    if len(items) > room:
        buckets = max(1, min(MAX_BUCKETS, room // 4))
        ranked = sorted(alone, key=lambda i: (-items[i].size.bit_length(), items[i].name, items[i].path))
        alone = set(ranked[: room - buckets])
    groups = [Group(item.path.name, (item,)) for i, item in enumerate(items) if i in alone]
    shared: dict[int, list[Item]] = {}
    for i, item in enumerate(items):
        if i not in alone:
            shared.setdefault(_bucket(item.name, buckets), []).append(item)
    return groups + [Group(f"group-{number}", tuple(shared[number])) for number in sorted(shared)]


def _bucket(name: str, buckets: int) -> int:
    return int.from_bytes(blake3(name.encode()).digest(8), "big") % buckets
