"""Build the `layer` kind: pack store paths into one compressed tar, which serves images and caches.

The tar is a pure function of the parts, and the blob is one of the tar and the codec's record. So a layer is built once
for all images that hold it, on any machine. One pass reads, hashes, compresses and writes it in bounded memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.manifest import json_form
from fpack.builders.manifest.encoding import encode_entry
from fpack.builders.manifest.layer_entries import Contents, compare_tree, contents, count, describe
from fpack.builders.protocol import BaseBuilder, Built, Task
from fpack.builders.streams import codecs
from fpack.builders.streams import tar_writer as tar
from fpack.builders.streams.background import ahead
from fpack.builders.streams.hasher import Hasher
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import StoreError, malformation
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

# 2: smaller compression jobs for large streams. 3, 4: entries in the manifest's formats
VERSION = 4


# Files of the output: the layer's entries in the two forms of a manifest (`manifest.format`, `manifest.json_form`).
ENTRIES, ENTRIES_JSON = "entries", "entries.json"
BLOB, INFO = "blob", "layer"  # the other files of the output
MAX_INFO = 1 << 20  # bytes


class LayerInfo(NamedTuple):
    """The content of an output's file `layer`: the description of the blob for manifests and caches.

    digest, size: of the blob. diff_id, tar: the digest and size of the tar in it. unpacked: bytes of all files.
    entries: the number of tar members. files: the number of those that are not directories. shipped: the number of
    files, for each part, that packages or sources ship. generated, configured: the numbers of the remaining files.
    """

    media_type: str
    digest: str
    diff_id: str
    size: int
    tar: int
    unpacked: int
    files: int
    entries: int
    shipped: tuple[int, ...]
    generated: int
    configured: int

    def encode(self) -> bytes:
        return canonical.encode({**self._asdict(), "shipped": list(self.shipped)})


def decode(data: bytes) -> LayerInfo:
    """Decode the file `layer`. Raise StoreError if it is malformed."""
    value = canonical.decode(data)
    try:
        return LayerInfo(**{**value, "shipped": tuple(value["shipped"])})
    except (TypeError, KeyError) as error:
        raise StoreError("The description of a layer is malformed", why=malformation(error)) from None


class Budget:
    """A memory budget shared by the layers under construction: many small ones run at once, or a few large ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._freed = threading.Condition()

    @contextlib.contextmanager
    def take(self, amount: int, check: Callable[[], None]) -> Iterator[None]:
        """Wait until `amount` bytes are free or no other layer holds any. Call `check` while waiting."""
        with self._freed:
            while self._used and self._used + amount > self._limit:
                check()
                self._freed.wait(0.1)
            self._used += amount
        try:
            yield
        finally:
            with self._freed:
                self._used -= amount
                self._freed.notify_all()


# The process must stay below 300 MB, and uses up to 80 MB without any compressor.
_BUDGET = Budget(220 << 20)


class PartArgs(NamedTuple):
    """A store path in the layer. prefix: its directory in the image; "" for an output with a table.

    exclude: the paths of the table that are left out. set_id: (path, mode) of files that get set-id bits back.
    """

    path: StorePath
    prefix: str
    exclude: tuple[str, ...] = ()
    set_id: tuple[tuple[str, int], ...] = ()


class LayerArgs(NamedTuple):
    """The arguments. codec: see `streams/codecs.py`. directories: (path, mode, uid, gid) of those to restate."""

    parts: tuple[PartArgs, ...]
    codec: Mapping[str, Value]
    directories: tuple[tuple[str, int, int, int], ...] = ()


class LayerBuilder(BaseBuilder):
    """The builder of `layer`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Write `blob`, `layer`, and the layer's part of a manifest as `entries` and `entries.json`.

        The output has no references, because the blob contains everything.
        """
        args = arguments.read(LayerArgs, task.args)
        found = contents(args.parts, args.directories, task.tree)
        with _BUDGET.take(codecs.memory(args.codec, tar.length(found.members)), task.check):
            return _make(task, args, found)


def _make(task: Task, args: LayerArgs, found: Contents) -> Built:
    total = tar.length(found.members)
    compressor = codecs.compressor(args.codec, total)
    plain = args.codec["name"] == "none"
    writer = task.writer()
    inner, outer = Hasher(), hashlib.sha256()
    size = 0

    digests: dict[str, tuple[bytes, bytes]] = {}

    def compressed() -> Generator[bytes, None, None]:
        for data in tar.stream(found.members, task.check, digests):
            inner.update(data)
            yield compressor.compress(data)
            task.progress(inner.size, total)
        yield compressor.flush()

    # A thread keeps the compressor busy while the disk is slow. A small layer does not repay its start.
    source = ahead(compressed()) if total > tar.BUFFER else compressed()

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in source:
            if piece:
                size += len(piece)
                if not plain:
                    outer.update(piece)
                yield piece

    try:
        writer.file(BLOB, counted())
    finally:
        source.close()
        diff_id = f"sha256:{inner.finish().hex()}"
    for tree, members in found.trees:
        compare_tree(tree, members, digests)
    if inner.size != total:
        raise AssertionError(f"a tar of {total} bytes was written with {inner.size}")
    files = [m for m in found.members if m.kind != tar.DIRECTORY]
    layer = LayerInfo(
        media_type=codecs.media_type(args.codec),
        digest=diff_id if plain else f"sha256:{outer.hexdigest()}",
        diff_id=diff_id,
        size=size,
        tar=total,
        unpacked=sum(m.size for m in files),
        files=len(files),
        entries=len(found.members),
        **count(found, len(args.parts))._asdict(),
    )
    writer.file(INFO, [layer.encode()])
    _describe(args, found, writer, digests)
    return Built(writer)


def _describe(args: LayerArgs, found: Contents, writer: TreeWriter, digests: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Write the layer's part of a manifest, which is the same for every image that holds the layer."""
    parts = [str(part.path) for part in args.parts]
    lines: list[bytes] = []

    def rows() -> Iterator[bytes]:
        for entry in describe(found, digests):
            lines.append(json_form.entry_line(entry, parts))
            yield encode_entry(entry)

    writer.file(ENTRIES, rows())
    writer.file(ENTRIES_JSON, [json_form.SEPARATOR.join(lines)])


def read(tree: CheckedTree) -> LayerInfo:
    return decode(tree.read(INFO, MAX_INFO))
