"""Read the source trees that an image carries: those in a closure file of its artifact, and those in its layers.

The image may come from an attacker. Every tree is hashed, and sizes and numbers of entries are limited. The caller
compares the digests before it uses a tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from fpack.builders.manifest.format import (
    DIRECTORY,
    FILE,
    MAX_SOURCE_ENTRIES,
    MAX_SOURCES,
    SYMLINK,
    Blob,
    ManifestLayer,
)
from fpack.builders.manifest.source_trees import SourceInLayer
from fpack.builders.streams.codecs import LAYER_TYPES
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.store.closure_file.format import ClosureEntry
from fpack.store.closure_file.reader import ClosureReader, NullSink, TreeSink
from fpack.store.errors import FpackError
from fpack.store.files.pool import FileNode

from .documents import BadDocument, blob_name
from .findings import DOCUMENT
from .image_archive import ImageArchive
from .strict_tar import StrictMember, StrictTar

MAX_PASSES = 16  # over a layer, one for each source within another one
Begin = Callable[[str], TreeSink | None]


class SourceLimits:
    """The numbers of entries and bytes that the sources of an image may still have, all together."""

    def __init__(self) -> None:
        self._entries, self._bytes = MAX_SOURCE_ENTRIES, MAX_SOURCES

    def take(self, size: int = 0) -> None:
        """Count an entry and its bytes. Raise BadDocument if there are too many entries or bytes."""
        self._entries -= 1
        self._bytes -= size
        if self._entries < 0 or self._bytes < 0:
            why = f"the sources have more than {MAX_SOURCE_ENTRIES} entries or {MAX_SOURCES} bytes"
            raise BadDocument("sources", why, DOCUMENT)


class _LimitedSink:
    """A sink that counts the entries of a tree."""

    def __init__(self, inner: TreeSink, limits: SourceLimits) -> None:
        self._inner, self._limits = inner, limits

    def mkdir(self, path: str) -> None:
        """Receive a directory."""
        self._limits.take()
        self._inner.mkdir(path)

    def file(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> FileNode:
        """Receive a file."""
        self._limits.take()
        return self._inner.file(path, chunks, executable)

    def symlink(self, path: str, to: str) -> None:
        """Receive a symlink."""
        self._limits.take()
        self._inner.symlink(path, to)


def read(
    archive: ImageArchive, blob: Blob, trees: Collection[str], limits: SourceLimits, begin: Begin = lambda tree: None
) -> Iterator[ClosureEntry]:
    """Read a closure file to its end, and yield the record of each path. Raise BadDocument if the file is invalid.

    trees: the digests of the only trees that it may hold, in hexadecimal. begin: returns the sink of a tree, or None.
    """
    name = blob_name(blob.digest)
    size = archive.sizes.get(name)
    if size is None:
        raise BadDocument(name, "the blob with the sources is missing")
    try:
        with archive.open(name) as file:
            reader = ClosureReader(Section(file, size))  # type: ignore[arg-type]  # it needs read alone
            # The trees have as many bytes as the header says, or the reader raises an error.
            limits.take(size=reader.header.size)

            def sink(entry: ClosureEntry) -> TreeSink:
                if entry.references or entry.output or entry.tree.hex() not in trees:
                    raise BadDocument(name, f"it holds {entry.path.name}, which is no source of the manifest", DOCUMENT)
                return _LimitedSink(begin(entry.tree.hex()) or NullSink(), limits)

            yield from reader.trees(sink)
    except BadDocument:
        raise
    except FpackError as error:
        raise BadDocument(name, f"{error.what}: {error.why}" if error.why else error.what) from None


def extract(
    archive: ImageArchive,
    layer: ManifestLayer,
    sources: Mapping[str, SourceInLayer],
    limits: SourceLimits,
    begin: Callable[[str], TreeSink],
) -> None:
    """Give each of the trees in a layer to the sink that `begin` returns for its digest.

    Raise BadDocument if the layer cannot be read.
    """
    left = {source.path: tree for tree, source in sorted(sources.items())}
    for _ in range(MAX_PASSES):
        if not left:
            return
        # A tree within another one is read in a later pass.
        chosen: dict[bytes, tuple[TreeSink, bool]] = {}
        for path in sorted(left):
            parts = path.split(b"/")
            if not any(b"/".join(parts[:count]) in chosen for count in range(1, len(parts))):
                tree = left.pop(path)
                chosen[path] = (_LimitedSink(begin(tree), limits), sources[tree].executable)
        _extract(archive, layer, chosen, limits)
    if left:
        raise BadDocument(blob_name(layer.blob.digest), f"more than {MAX_PASSES} sources are within one another")


def _extract(
    archive: ImageArchive, layer: ManifestLayer, chosen: Mapping[bytes, tuple[TreeSink, bool]], limits: SourceLimits
) -> None:
    name = blob_name(layer.blob.digest)
    codec = LAYER_TYPES.get(layer.blob.media_type)
    if name not in archive.sizes or codec is None:
        raise BadDocument(name, "the layer with sources is missing, or its media type is unknown")
    try:
        with archive.open(name) as file:
            tar = StrictTar(Stream(blocks(Section(file, archive.sizes[name]), codec), layer.tar))
            for member in tar:
                _place(member, tar, chosen, limits)
    except BadDocument:
        raise
    except FpackError as error:
        raise BadDocument(name, f"{error.what}: {error.why}" if error.why else error.what) from None


def _place(
    member: StrictMember, tar: StrictTar, chosen: Mapping[bytes, tuple[TreeSink, bool]], limits: SourceLimits
) -> None:
    """Write a member to the sink of the tree that it belongs to, if it belongs to one."""
    parts = member.path.split(b"/")
    for count in range(1, len(parts) + 1):
        found = chosen.get(b"/".join(parts[:count]))
        if found is not None:
            sink, executable = found
            path = os.fsdecode(b"/".join(parts[count:]))
            if member.kind == FILE:
                limits.take(member.size)
                sink.file(path, tar.content(), bool(member.mode & 0o100) if path else executable)
            elif member.kind == DIRECTORY:
                sink.mkdir(path)
            elif member.kind == SYMLINK:
                sink.symlink(path, os.fsdecode(member.target))
            return
