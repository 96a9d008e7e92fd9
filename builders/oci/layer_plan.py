"""Assign slices and store paths to the layers of an image, given a maximum number of layers.

Every slice and store path gets its own layer while there are enough layers. Otherwise the large ones get their own
layers and the small ones share buckets. The bucket is a hash of the name, and size is compared rounded to a power of
two. So a new version of one package changes one layer and moves no other item. Sorting by exact size, or filling layers
one after another, would change many layers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from blake3 import blake3
from fpack.store.path import StorePath

MAX_BUCKETS = 16  # more would leave fewer layers to the large items, which gain most by one of their own
_VERSION = re.compile(r"-\d.*")


class LayerItem(NamedTuple):
    """A store path to put into an image at `prefix` ("" for a tree with a table, which goes to /).

    name: of the package, without a version. size: bytes of its files. packages: the package that the path is a slice
    of, or none. exclude: relative paths to leave out.
    """

    path: StorePath
    prefix: str
    name: str
    size: int
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class LayerGroup(NamedTuple):
    """The items of one layer. name: the store name of the layer."""

    name: str
    items: tuple[LayerItem, ...]


def stable_name(path: StorePath) -> str:
    """Return the name of a store path without its version: what follows a hyphen and a digit."""
    return _VERSION.sub("", path.name) or path.name


def plan(items: Sequence[LayerItem], limit: int) -> list[LayerGroup]:
    """Return at most `limit` layers: first the layers of one item in the order of `items`, then the buckets."""
    if limit < 1:
        raise ValueError("an image needs at least one layer")
    alone = set(range(len(items)))
    buckets = 0
    if len(items) > limit:
        buckets = max(1, min(MAX_BUCKETS, limit // 4))  # at most a quarter of the layers
        ranked = sorted(alone, key=lambda i: (-items[i].size.bit_length(), items[i].name, items[i].path))
        alone = set(ranked[: limit - buckets])
    groups = [LayerGroup(item.path.name, (item,)) for i, item in enumerate(items) if i in alone]
    shared: dict[int, list[LayerItem]] = {}
    for i, item in enumerate(items):
        if i not in alone:
            shared.setdefault(int.from_bytes(blake3(item.name.encode()).digest(8), "big") % buckets, []).append(item)
    return groups + [LayerGroup(f"group-{number}", tuple(shared[number])) for number in sorted(shared)]
