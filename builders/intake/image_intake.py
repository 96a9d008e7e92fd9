"""Pull an image into the store: fetch the layers that it lacks, and register all of the image's store paths at once.

The trees of the paths are known, and compared with their hashes, before a layer is fetched. A path that the store has
is not fetched again, and a layer that the store has is read from it. Nothing is registered before everything is whole.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobEntry, Repository, RepositoryError
from fpack.builders.manifest import json_form
from fpack.builders.manifest.encoding import encode_entry
from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK, Head, ManifestEntry, ManifestLayer
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import Cancelled
from fpack.store import threads
from fpack.store.closure_file.self_reference import own_output
from fpack.store.errors import FpackError, StoreError
from fpack.store.files.pool import FileNode
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.files.tree import chunks, tree_digest
from fpack.store.files.writer import TreeWriter
from fpack.store.locks import build_lock
from fpack.store.path import StorePath, make, parse
from fpack.store.sessions.recovery import remove_partial
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store

from .expected_trees import ExpectedImage
from .layer_stream import BadLayer, LayerBlob, read_layer
from .store_record import RecordError, StoreRecord

JOBS = 4  # layers that are fetched at once
Progress = Callable[[int, int], None]  # bytes done, bytes in all
Entries = Sequence[Sequence[ManifestEntry]]
# Make payloads valid: by path, the derivations that make each. Paths that cannot be made are missing in the answer.
Payloads = Callable[[Mapping[StorePath, Sequence[bytes]]], None]


class PulledImage(NamedTuple):
    """A pulled image. path: of its output. added: the paths that the store did not have. fetched: bytes.

    is_clean: what was fetched of layers is deleted. If not, the next pull of the image tries again.
    """

    path: StorePath
    added: tuple[StorePath, ...]
    fetched: int
    is_clean: bool


class ImageIntake:
    """A pull of one image. expected: as `expect` compared it. payloads: makes payloads that built paths reference."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        head: Head,
        entries: Entries,
        record: StoreRecord,
        expected: ExpectedImage,
        payloads: Payloads,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self._store = store
        self._repository = repository
        self._head = head
        self._entries = entries
        self._record = record
        self.expected = expected
        self._payloads = payloads
        self._progress = progress
        self._writers: dict[StorePath, TreeWriter] = {}
        self._sources: dict[tuple[bytes, bool], Path] = {}  # files on disk, by BLAKE3 and executable bit
        self._lock = threading.Lock()
        self._done = self._total = self._fetched = 0
        self._kept: list[str] = []
        self._stopped = False

    def run(self, only: Collection[StorePath] | None = None) -> PulledImage:
        """Pull the image. Raise an FpackError, and add nothing, if something of it is not as it should be.

        only: the layers to fetch, and the paths in them to make; None for all.
        """
        store, record = self._store, self._record
        wanted = [*record.tables, *record.built, *self.expected.infos, record.image]
        wanted = [path for path in wanted if only is None or path in only]
        missing = {path for path in wanted if store.info(path) is None or not store.keep([path])}
        if not missing:
            # An earlier pull may have been interrupted when all was registered.
            is_clean = self._delete_blobs(layer.blob.digest for layer in self._head.layers)
            return PulledImage(record.image, (), 0, is_clean)
        try:
            self._fetch(missing)
            self._complete(missing)
            self._add_payloads(missing)
            added = self._register(missing)
        finally:
            for writer in self._writers.values():
                remove_tree(writer.disk)
        return PulledImage(record.image, tuple(added), self._fetched, self._delete_blobs(self._kept))

    def _delete_blobs(self, digests: Iterable[str]) -> bool:
        """Delete what this and interrupted pulls fetched of layers. Return False if something cannot be deleted."""
        is_clean = True
        for name in map(_partial, digests):
            directory = self._store.root / "partial" / name
            with contextlib.suppress(OSError):
                if is_present(directory):
                    remove_partial(self._store.root, name)
                    is_clean &= not is_present(directory)
        return is_clean

    # Layers.

    def _fetch(self, missing: set[StorePath]) -> None:
        todo = [
            (layer, rows)
            for layer, rows in zip(self._head.layers, self._entries, strict=True)
            if parse(layer.path) in missing or any(parse(path) in missing for path, _ in layer.parts)
        ]
        self._total = sum(layer.blob.size for layer, _ in todo)
        self._check_space(todo)
        for path in missing - {self._record.image}:
            self._writers[path] = self._store.writer()
        # The largest first, so that none of them is alone at the end.
        jobs = [
            partial(self._layer, layer, rows, missing)
            for layer, rows in sorted(todo, key=lambda item: -item[0].blob.size)
        ]
        with threads.Workers(JOBS, "layer") as workers:
            started = [workers.submit(job) for job in jobs]
            try:
                for job in started:
                    job.result()
            except BaseException:
                self._stopped = True
                raise

    def _check_space(self, todo: Sequence[tuple[ManifestLayer, object]]) -> None:
        status = os.statvfs(self._store.root)
        free = status.f_bavail * status.f_frsize
        size = sum(layer.blob.size + layer.tar for layer, _ in todo)
        if size > free:
            why = f"its layers have {size} bytes, and {free} are free"
            raise StoreError(
                "There is not enough space for the image", where=str(self._store.root), why=why,
                hint="fpack gc deletes what is unused",
            )  # fmt: skip

    def _layer(self, layer: ManifestLayer, rows: Sequence[ManifestEntry], missing: set[StorePath]) -> None:
        path = parse(layer.path)
        sink = _Parts(layer, {p: self._writers[p] for p in map(parse, dict(layer.parts)) if p in missing}, self)
        if path not in missing:
            read_layer(layer, rows, self._counted(self._store.tree(path).chunks("blob")), sink)
            return
        name = _partial(layer.blob.digest)
        with build_lock(self._store.root, name):
            directory = self._store.root / "partial" / name
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            blob = LayerBlob(self._repository, BlobEntry(*layer.blob), directory)
            try:
                read_layer(layer, rows, blob.pieces(self._tell), sink)
            except (RepositoryError, Cancelled):
                raise  # what came is kept, unless the blob is another one
            except FpackError as error:
                blob.forget()
                if isinstance(error, BadLayer):
                    raise
                why = f"{error.what}: {error.why}" if error.why else error.what
                raise BadLayer(
                    "A layer of the image is damaged", where=layer.blob.digest, why=why, hint="run the command again"
                ) from None
            writer = self._writers[path]
            writer.file("blob", chunks(blob.file))
        writer.file("entries", map(encode_entry, rows))
        parts = [part for part, _ in layer.parts]
        writer.file("entries.json", [json_form.SEPARATOR.join(json_form.entry_line(row, parts) for row in rows)])
        writer.file("layer", [self.expected.infos[path].encode()])
        with self._lock:
            self._kept.append(layer.blob.digest)
            self._fetched += blob.fetched

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._tell(len(piece))
            yield piece

    def _tell(self, size: int) -> None:
        if self._stopped:
            raise Cancelled("Interrupted")
        with self._lock:
            self._done += size
            self._progress(self._done, self._total)

    def written(self, node: FileNode, path: Path) -> None:
        """Remember where a content is on the disk, for other paths that have it too."""
        with self._lock:
            self._sources.setdefault((node.digest, node.executable), path)

    # Trees.

    def _complete(self, missing: set[StorePath]) -> None:
        """Write what layers do not have, and compare each tree with its path."""
        record, expected = self._record, self.expected
        for path, table in record.tables.items():
            if path in missing:
                self._table(self._writers[path], expected.tables[path])
                self._writers[path].file("meta", [table.meta])
        for path in missing & record.built.keys():
            self._compare_built(path)
        for path in missing & expected.infos.keys():
            self._compare(path, self._writers[path].finish(), ())
        if record.image in missing:
            writer = self._writers[record.image] = self._store.writer()
            for name, data in expected.image.items():
                writer.file(name, [data])
            self._compare(record.image, writer.finish(), expected.references)
        for path in missing & record.tables.keys():
            self._compare(path, self._writers[path].finish(), record.tables[path].references)

    def _table(self, writer: TreeWriter, entries: Sequence[TreeEntry]) -> None:
        """Write the entries of a table that no layer had for it: directories, symlinks and replaced files."""
        writer.mkdir("data")
        for entry in entries:
            path = f"data/{entry.path}"
            if entry.kind == meta.DIRECTORY:
                writer.mkdir(path)
            elif writer.entry(path) is not None:
                continue
            elif entry.kind == meta.SYMLINK:
                writer.symlink(path, entry.target)
            else:
                self._replaced(writer, path, entry)

    def _replaced(self, writer: TreeWriter, path: str, entry: TreeEntry) -> None:
        data = self._record.contents.get(entry.blake3)
        if data is not None:
            writer.file(path, [data], entry.executable)
            return
        node = FileNode(entry.blake3, entry.size, entry.executable)
        source = self._sources.get((entry.blake3, entry.executable)) or self._sources.get(
            (entry.blake3, not entry.executable)
        )
        try:
            writer.link(path, node, source or Path("/nonexistent"))
        except FileNotFoundError:
            raise RecordError("The store record of the image lacks a file", where=f"/{entry.path}") from None

    def _compare(self, path: StorePath, tree: bytes, references: Sequence[StorePath]) -> None:
        found = make(path.name, tree, sorted(references))
        if found != path:
            why = f"its content has the path {found}"
            raise RecordError("A store path of the image has another content", where=str(path), why=why)

    def _compare_built(self, path: StorePath) -> None:
        writer, references = self._writers[path], list(self._record.built[path])
        if writer.finish() != tree_digest(self.expected.trees[path]):
            why = "its tree is not the one of the manifest"
            raise RecordError("A store path of the image has another content", where=str(path), why=why)
        if path in self.expected.own and not own_output(path, os.fspath(writer.disk), references):
            why = "its path is not that of its content and its references"
            raise RecordError("A store path of the image has another content", where=str(path), why=why)

    # Registration.

    def _add_payloads(self, missing: set[StorePath]) -> None:
        """Make the payloads that built paths reference, from the archive."""
        needed = {other for path in missing & self._record.built.keys() for other in self._record.built[path]}
        absent = {
            path: makers
            for path, makers in self._record.payloads.items()
            if path in needed and not (self._store.info(path) is not None and self._store.keep([path]))
        }
        if absent:
            self._payloads(absent)

    def _register(self, missing: set[StorePath]) -> list[StorePath]:
        references: dict[StorePath, Sequence[StorePath]] = {
            **{path: table.references for path, table in self._record.tables.items()},
            **self._record.built,
            **dict.fromkeys(self.expected.infos, ()),
            self._record.image: self.expected.references,
        }
        order = _ordered(references, missing)
        finished = [FinishedOutput(path.name, self._writers[path], references[path], None, path) for path in order]
        return self._store.register_all(b"", finished)


def _partial(digest: str) -> str:
    """Return the name of the directory, in the store's `partial`, for the fetched part of a layer."""
    return f"blob-{digest.removeprefix('sha256:')}"


def _ordered(references: Mapping[StorePath, Sequence[StorePath]], among: set[StorePath]) -> list[StorePath]:
    """Return paths in an order in which each follows its references. Raise RecordError if there is a circle."""
    order: list[StorePath] = []
    done, begun = set[StorePath](), set[StorePath]()
    stack = [(path, False) for path in sorted(among, reverse=True)]
    while stack:
        path, left = stack.pop()
        if left:
            done.add(path)
            order.append(path)
        elif path in done:
            continue
        elif path in begun:
            raise RecordError("Store paths of the image reference each other in a circle", where=str(path))
        else:
            begun.add(path)
            stack.append((path, True))
            stack += [(other, False) for other in references[path] if other in among and other not in done]
    return order


class _Parts:
    """The parts of a layer that the store lacks. It receives the entries of the layer."""

    def __init__(self, layer: ManifestLayer, writers: Mapping[StorePath, TreeWriter], intake: ImageIntake) -> None:
        self._intake = intake
        paths = [parse(path) for path, _ in layer.parts]
        prefixes = [prefix for _, prefix in layer.parts]
        self._built = {
            number: (writers[path], len(prefix))
            for number, (path, prefix) in enumerate(zip(paths, prefixes, strict=True))
            if prefix and path in writers
        }
        tables = intake.expected.tables
        self._tables = [
            (writers[path], {os.fsencode(entry.path): entry for entry in tables[path]})
            for path, prefix in zip(paths, prefixes, strict=True)
            if not prefix and path in writers
        ]

    def take(self, entry: ManifestEntry, content: Iterator[bytes]) -> None:
        """Write an entry to the part that it belongs to."""
        if entry.part in self._built:
            writer, length = self._built[entry.part]
            path = os.fsdecode(entry.path[length:])
            if entry.kind == FILE:
                node = writer.file(path, content, bool(entry.mode & 0o100))
                self._intake.written(node, writer.disk / path)
            elif entry.kind == DIRECTORY:
                writer.mkdir(path)
            else:
                assert entry.kind == SYMLINK
                writer.symlink(path, os.fsdecode(entry.target))
        elif entry.kind == FILE and entry.part is not None:
            self._table(entry, content)

    def _table(self, entry: ManifestEntry, content: Iterator[bytes]) -> None:
        """Write a file to the parts that have it. A file that two parts have is in the layer once."""
        name = os.fsdecode(entry.path)
        written: Path | None = None
        for writer, table in self._tables:
            wanted = table.get(entry.path)
            if wanted is None or (wanted.kind, wanted.blake3) != (meta.FILE, entry.blake3):
                continue
            path = f"data/{name}"
            if written is None:
                node = writer.file(path, content, wanted.executable)
                written = writer.disk / path
                self._intake.written(node, written)
            else:
                writer.link(path, FileNode(entry.blake3, entry.size, wanted.executable), written)
