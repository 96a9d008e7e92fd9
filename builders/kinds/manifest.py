"""The `manifest` kind: the exact manifest of an image, canonical and as JSON, and the artifact that holds both.

It is made once for an image and a lock, and kept in the store like everything else.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.manifest import format as form
from fpack.builders.manifest import json_form, referrer
from fpack.builders.manifest.collect import Graph, collect
from fpack.builders.oci.spec import Descriptor
from fpack.builders.protocol import Built, Task, whole
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.store import Store

from .layer import ENTRIES, ENTRIES_JSON

if TYPE_CHECKING:
    from .table import Services

CANONICAL_FILE, JSON_FILE = "manifest.msgpack", "manifest.json"
ZSTD_LEVEL = 9


class StoreGraph:
    """The derivations of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def derivation(self, digest: bytes) -> Derivation | None:
        """The derivation of this digest."""
        return self._store.derivation(digest)

    def built(self, output: Output) -> StorePath | None:
        """The store path that an output came to."""
        return self._store.database.built(output)


class Manifest:
    """args: image, paths (the store paths that the image's configuration names), derivation (the image's digest in
    hexadecimal), lock (see `collect.lock_value`) or null, fpack (the version), executor (what runs builds from source).

    Output: `manifest.msgpack`, `manifest.json`, both compressed beside them, and what `referrer.read` takes.
    """

    kind = "manifest"
    network = False

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def key(self, drv: Derivation) -> Value:
        """All of the derivation. The image's digest in it settles the graph."""
        return whole(drv)

    def build(self, task: Task) -> Built:
        """Gather, and write."""
        collected = collect(task, self._graph)
        head = collected.head
        places = [task.disk(layer.path) for layer in head.layers]
        made = sorted(collected.derivations.items())
        writer = task.writer()
        rows = itertools.chain.from_iterable(chunks(place / ENTRIES) for place in places)
        writer.file(
            CANONICAL_FILE, itertools.chain([form.encode_head(head)], (each.encode() for _, each in made), rows)
        )
        lines = (chunks(place / ENTRIES_JSON) for place in places)
        derivations = ((digest.hex(), each) for digest, each in made)
        writer.file(JSON_FILE, json_form.document(head, lines, derivations))
        title = head.image.name.rpartition("/")[2]
        files = zip((CANONICAL_FILE, JSON_FILE), form.media_types(form.ARTIFACT), strict=True)
        documents = [_packed(writer, file, media_type, title) for file, media_type in files]
        referrer.write(writer, Descriptor(*head.image.manifest), form.ARTIFACT, documents)
        return Built(writer)


def _packed(writer: TreeWriter, file: str, media_type: str, title: str) -> referrer.Document:
    """Write a file of the output once more, compressed, for the artifact."""
    sha256, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in _compressed(writer.place / file):
            sha256.update(piece)
            size += len(piece)
            yield piece

    writer.file(f"{file}.zst", pieces())
    blob = Descriptor(media_type, f"sha256:{sha256.hexdigest()}", size)
    return referrer.Document(blob, f"{file}.zst", f"{title}.{file}.zst")


def _compressed(place: Path) -> Iterator[bytes]:
    import zstandard

    # No threads: one that fits any machine. The library is pinned, so the bytes are the same everywhere.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj(size=place.stat().st_size)
    for chunk in chunks(place):
        yield compressor.compress(chunk)
    yield compressor.flush()


def make(services: Services) -> Manifest:
    """Return the builder of the kind."""
    return Manifest(StoreGraph(services.store))
