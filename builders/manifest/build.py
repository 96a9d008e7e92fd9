"""The `manifest` kind: the exact manifest of an image, canonical and as JSON, and the artifact that holds both.

It is made once for an image and a lock, and kept in the store like everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpack.builders.oci.spec import Descriptor
from fpack.builders.protocol import Built, Task, whole
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.path import StorePath
from fpack.store.store import Store
from fpack.store.tree import CHUNK

from . import format as form
from . import json_form, referrer
from .collect import Graph, collect
from .entries import layer_entries

CANONICAL_FILE, JSON_FILE, PACKED_FILE = "manifest.msgpack", "manifest.json", "manifest.json.zst"
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
    hexadecimal), lock (see `collect.lock_value`) or null, fpack (the version).

    Output: `manifest.msgpack`, `manifest.json`, the latter compressed, and what `referrer.read` takes.
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
        rows = task.scratch() / "entries"
        layers = []
        with open(rows, "wb") as file:
            for layer, args in zip(collected.head.layers, collected.layers, strict=True):
                task.check()
                entries = layer_entries(args, task.disk, task.check)
                file.writelines(form.encode_entry(entry) for entry in entries)
                layers.append(layer._replace(entries=len(entries)))
        head = collected.head._replace(layers=tuple(layers))
        bodies = sorted((made.encode() for made in collected.derivations.values()), key=digest)
        writer = task.writer()
        exact = _Hashed([form.encode_head(head), *bodies], _chunks(rows))
        writer.file(CANONICAL_FILE, exact)
        writer.file(JSON_FILE, json_form.render(form.Reader((writer.place / CANONICAL_FILE).read_bytes())))
        text = _Hashed(_compressed(writer.place / JSON_FILE))
        writer.file(PACKED_FILE, text)
        image = head.image
        title = image.name.rpartition("/")[2]
        referrer.write(
            writer,
            Descriptor(*image.manifest),
            form.ARTIFACT,
            [
                referrer.Document(exact.blob(form.CANONICAL), CANONICAL_FILE, f"{title}.manifest.msgpack"),
                referrer.Document(text.blob(form.JSON), PACKED_FILE, f"{title}.manifest.json.zst"),
            ],
        )
        return Built(writer)


class _Hashed:
    """Pieces that are hashed and counted on their way."""

    def __init__(self, *sources: Iterable[bytes]) -> None:
        self._sources = sources
        self._sha256 = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for source in self._sources:
            for piece in source:
                self._sha256.update(piece)
                self._size += len(piece)
                yield piece

    def blob(self, media_type: str) -> Descriptor:
        """The descriptor of all that went by."""
        return Descriptor(media_type, f"sha256:{self._sha256.hexdigest()}", self._size)


def _compressed(place: Path) -> Iterator[bytes]:
    import zstandard

    # No threads: one that fits any machine. The library is pinned, so the bytes are the same everywhere.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj(size=place.stat().st_size)
    for chunk in _chunks(place):
        yield compressor.compress(chunk)
    yield compressor.flush()


def _chunks(place: Path) -> Iterator[bytes]:
    with open(place, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk
