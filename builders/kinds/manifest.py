"""Build the `manifest` kind: the manifest of an image, canonical and as JSON, and the OCI artifact that holds both.

The manifest of an image and a lock is built once and kept in the store.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.manifest import format as form
from fpack.builders.manifest import json_form, referrer
from fpack.builders.manifest.collect import collect
from fpack.builders.oci.spec import Descriptor
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.store import Store

from .layer import ENTRIES, ENTRIES_JSON

if TYPE_CHECKING:
    from .table import Services

# 2: new format; 3: the reason for each package, and what it needs
VERSION = 3


CANONICAL_FILE, JSON_FILE = "manifest.msgpack", "manifest.json"
ZSTD_LEVEL = 9
_DIGEST = re.compile(r"[0-9a-f]{40}\Z")


class ManifestArgs(NamedTuple):
    """The arguments. paths: the store paths that the image's configuration names. lock: see `manifest.lock_part`.

    derivation: the digest of the image's derivation in hexadecimal, which determines the graph. fpack: the version.
    executor: the executor of builds from source.
    """

    image: StorePath
    paths: tuple[StorePath, ...]
    derivation: str
    lock: Value
    fpack: str
    executor: str


class ManifestBuilder(BaseBuilder):
    """The builder of `manifest`.

    Its output holds `manifest.msgpack`, `manifest.json`, a compressed copy of each, and the files that `referrer.read`
    reads.
    """

    version = VERSION

    def __init__(self, store: Store) -> None:
        self._store = store

    def build(self, task: Task) -> Built:
        """Collect the manifest and write it."""
        args = arguments.read(ManifestArgs, task.args)
        if not _DIGEST.match(args.derivation):
            raise BuildError(f"{args.derivation!r} is not the digest of a derivation")
        digest = bytes.fromhex(args.derivation)
        collected = collect(task, self._store, args.image, digest, args.lock, args.fpack, args.executor)
        head = collected.head
        layers = [task.tree(layer.path) for layer in head.layers]
        used = sorted(collected.derivations.items())
        writer = task.writer()
        rows = itertools.chain.from_iterable(layer.chunks(ENTRIES) for layer in layers)
        writer.file(CANONICAL_FILE, itertools.chain([form.encode_head(head)], (drv.encode() for _, drv in used), rows))
        lines = (layer.chunks(ENTRIES_JSON) for layer in layers)
        derivations = ((digest.hex(), drv) for digest, drv in used)
        writer.file(JSON_FILE, json_form.document(head, lines, derivations))
        title = head.image.name.rpartition("/")[2]
        files = zip((CANONICAL_FILE, JSON_FILE), form.media_types(form.ARTIFACT), strict=True)
        documents = [_packed(writer, file, media_type, title) for file, media_type in files]
        referrer.write(writer, Descriptor(*head.image.manifest), form.ARTIFACT, documents)
        return Built(writer)


def _packed(writer: TreeWriter, file: str, media_type: str, title: str) -> referrer.ArtifactDocument:
    """Write a compressed copy of a file of the output, and return its entry of the artifact."""
    sha256, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in _compressed(writer.disk / file):
            sha256.update(piece)
            size += len(piece)
            yield piece

    writer.file(f"{file}.zst", pieces())
    blob = Descriptor(media_type, f"sha256:{sha256.hexdigest()}", size)
    return referrer.ArtifactDocument(blob, f"{file}.zst", f"{title}.{file}.zst")


def _compressed(path: Path) -> Iterator[bytes]:
    import zstandard

    # One thread, because the output of several depends on their number. The library's version is pinned.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj(size=path.stat().st_size)
    for chunk in chunks(path):
        yield compressor.compress(chunk)
    yield compressor.flush()


def make(services: Services) -> ManifestBuilder:
    return ManifestBuilder(services.store)
