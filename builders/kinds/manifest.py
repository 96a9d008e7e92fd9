"""Build the `manifest` kind: the manifest of an image, canonical and as JSON, and the OCI artifact that holds both.

The artifact also holds the sources of the image, so that the image can be built again where the project is not. The
manifest of an image and a lock is built once and kept in the store.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.manifest import base_manifest, json_form, referrer, source_trees, travelling_sources
from fpack.builders.manifest import format as form
from fpack.builders.manifest.collect import CollectedManifest, collect
from fpack.builders.manifest.encoding import encode_head
from fpack.builders.manifest.format import MAX_SIZE
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.manifest.travelling_sources import TravellingSources
from fpack.builders.oci.spec import Descriptor
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.streams.stream import ArchiveError, PieceReader, Section, blocks
from fpack.store.canonical import Value
from fpack.store.closure_file.writer import write_closure
from fpack.store.derivation import Output
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.tree import chunks
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath
from fpack.store.store import Store

from . import ociblob
from .layer import ENTRIES, ENTRIES_JSON

if TYPE_CHECKING:
    from .table import Services

# 2: new format; 3: the reason for each package, and what it needs; 4: the sources
VERSION = 4


CANONICAL_FILE, JSON_FILE = "manifest.msgpack", "manifest.json"
SOURCES_FILE = "sources.closure"
ZSTD_LEVEL = 9
_DIGEST = re.compile(r"[0-9a-f]{40}\Z")


class ManifestArgs(NamedTuple):
    """The arguments. paths: the store paths that the image's configuration names. lock: see `manifest.lock_part`.

    derivation: the digest of the image's derivation in hexadecimal, which determines the graph. fpack: the version.
    executor: the executor of builds from source. sources: the maximum size of the sources that travel with the image;
    0 for none. meta: what the image and its packages say of themselves, see `collect`. base: the blob of the own
    manifest of the image's base, as an output of `ociblob`.
    """

    image: StorePath
    paths: tuple[StorePath, ...]
    derivation: str
    lock: Value
    fpack: str
    executor: str
    sources: int
    meta: Mapping[str, Value] = {}
    base: StorePath | None = None


class ManifestBuilder(BaseBuilder):
    """The builder of `manifest`.

    Its output holds `manifest.msgpack`, `manifest.json`, a compressed copy of each, `sources.closure` if sources travel
    with the image, a record of these, and the files that `referrer.read` reads.
    """

    version = VERSION

    def __init__(self, store: Store) -> None:
        self._store = store

    def build(self, task: Task) -> Steps:
        """Collect the manifest and write it."""
        args = arguments.read(ManifestArgs, task.args)
        if not _DIGEST.match(args.derivation):
            raise BuildError(f"{args.derivation!r} is not the digest of a derivation")
        digest = bytes.fromhex(args.derivation)
        collected = collect(task, self._store, args.image, digest, args.lock, args.fpack, args.executor, args.meta)
        head = collected.head
        layers = [task.tree(layer.path) for layer in head.layers]
        if args.base is not None and head.base is not None:
            own = _own_manifest(task, task.tree(args.base), head.base, head.layers, layers)
            head = head._replace(base=head.base._replace(own=own))
        absent = _absent_sources(collected, layers) if args.sources else []
        paths = yield Need([Output(bytes.fromhex(source.derivation)) for source in absent])
        used = sorted(collected.derivations.items())
        writer = task.writer()
        rows = itertools.chain.from_iterable(layer.chunks(ENTRIES) for layer in layers)
        writer.file(CANONICAL_FILE, itertools.chain([encode_head(head)], (drv.encode() for _, drv in used), rows))
        below = head.base.layers if head.base is not None else 0
        lines = itertools.chain(
            map(_base_lines, layers[:below], head.layers), (layer.chunks(ENTRIES_JSON) for layer in layers[below:])
        )
        derivations = ((digest.hex(), drv) for digest, drv in used)
        writer.file(JSON_FILE, json_form.document(head, lines, derivations))
        title = head.image.name.rpartition("/")[2]
        files = zip((CANONICAL_FILE, JSON_FILE), form.media_types(form.ARTIFACT), strict=True)
        documents = [
            _document(writer, f"{file}.zst", media_type, title, _compressed(writer.disk / file))
            for file, media_type in files
        ]
        record = self._measure(absent, paths, args.sources)
        if record.carried:
            closure = task.scratch() / SOURCES_FILE
            with open(closure, "wb") as file:
                write_closure(self._store, paths, file)
            documents.append(_document(writer, SOURCES_FILE, form.SOURCES, title, chunks(closure, task.check)))
        writer.file(travelling_sources.FILE, [record.encode()])
        referrer.write(writer, Descriptor(*head.image.manifest), form.ARTIFACT, documents)
        return Built(writer)

    def _measure(
        self, sources: Sequence[form.ManifestSource], paths: Sequence[StorePath], most: int
    ) -> TravellingSources:
        """Decide whether the sources travel. Raise BuildError if they exceed what an artifact may hold.

        most: the maximum of the caller, above which they are left out.
        """
        sizes = []
        entries = 0
        for path in paths:
            info = self._store.info(path)
            assert info is not None
            sizes.append(info.size)
            entries += sum(len(names) + len(below) for _, below, names in os.walk(self._store.disk(path)))
        rows = tuple((source.name, size) for source, size in zip(sources, sizes, strict=True))
        if sum(sizes) <= min(most, form.MAX_SOURCES) and entries <= form.MAX_SOURCE_ENTRIES:
            return TravellingSources(carried=rows)
        if most >= form.MAX_SOURCES:
            raise BuildError(
                "The sources of the image are too large to travel with it",
                why=f"they have {entries} files of {sum(sizes)} bytes; "
                f"the limits are {form.MAX_SOURCE_ENTRIES} files of {form.MAX_SOURCES} bytes",
                hint="pack with --no-sources",
            )
        return TravellingSources(left_out=rows)


def _absent_sources(collected: CollectedManifest, layers: Sequence[CheckedTree]) -> list[form.ManifestSource]:
    """Return the sources that no layer holds, one for each tree."""
    head = collected.head
    trees = {source.tree: source for source in reversed(head.sources) if source.kind == "source"}
    derivations = {digest.hex(): drv for digest, drv in collected.derivations.items()}
    rows = ((layer, _entries(tree)) for layer, tree in zip(head.layers, layers, strict=True))
    present = source_trees.find(rows, source_trees.holders(head, derivations), trees)
    return [source for tree, source in sorted(trees.items()) if tree not in present]


def _entries(layer: CheckedTree) -> Iterator[form.ManifestEntry]:
    import msgpack

    unpacker = msgpack.Unpacker()
    for piece in layer.chunks(ENTRIES):
        unpacker.feed(piece)
        for row in unpacker:
            yield form.ManifestEntry(*row[:10])


def _own_manifest(
    task: Task,
    blob: CheckedTree,
    base: form.BaseRecord,
    layers: Sequence[form.ManifestLayer],
    trees: Sequence[CheckedTree],
) -> form.BaseManifest:
    """Read the own manifest of a base. blob: the output that has it. Raise BuildError if the layers contradict it."""
    sha256, data = hashlib.sha256(), bytearray()
    size = os.path.getsize(blob.disk / ociblob.FILE)

    def pieces() -> Iterator[bytes]:
        for piece in blob.chunks(ociblob.FILE):
            sha256.update(piece)
            yield piece

    try:
        for block in blocks(Section(PieceReader(pieces()), size), "zst"):
            data += block
            if len(data) > MAX_SIZE:
                raise form.ManifestError("", why=f"it has more than {MAX_SIZE} bytes")
        reader = ManifestReader(bytes(data))
        media_type, _ = form.media_types(form.ARTIFACTS[reader.head.format - 1])
        about = form.Blob(media_type, f"sha256:{sha256.hexdigest()}", size)
        own = layers[: base.layers]
        return base_manifest.compare(reader, about, base, own, map(_entries, trees[: base.layers]), task.check)
    except (form.ManifestError, ArchiveError) as error:
        raise BuildError(
            "The manifest of the base contradicts its layers",
            where=base.name,
            why=error.why or error.what,
            hint="delete this document about the base from its registry, or pack with --no-manifest",
        ) from None


def _base_lines(layer: CheckedTree, about: form.ManifestLayer) -> Iterator[bytes]:
    """Yield the JSON of the entries of a base's layer, which does not know its own store path."""
    separator = b""
    for entry in _entries(layer):
        yield separator + json_form.entry_line(entry, [path for path, _ in about.parts])
        separator = json_form.SEPARATOR


def _document(
    writer: TreeWriter, file: str, media_type: str, title: str, content: Iterator[bytes]
) -> referrer.ArtifactDocument:
    """Write a file of the output, and return its entry of the artifact."""
    sha256, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in content:
            sha256.update(piece)
            size += len(piece)
            yield piece

    writer.file(file, pieces())
    return referrer.ArtifactDocument(
        Descriptor(media_type, f"sha256:{sha256.hexdigest()}", size), file, f"{title}.{file}"
    )


def _compressed(path: Path) -> Iterator[bytes]:
    import zstandard

    # One thread, because the output of several depends on their number. The library's version is pinned.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj(size=path.stat().st_size)
    for chunk in chunks(path):
        yield compressor.compress(chunk)
    yield compressor.flush()


def make(services: Services) -> ManifestBuilder:
    return ManifestBuilder(services.store)
