"""Read the tree of a store path from its part of a blob, and prove that it is that path.

The content may come from an attacker: a tar with names outside its prefix, links that lead out, more bytes than its
record says, or another tree. Nothing of it is registered before its digest is verified, and the tree is written by
TreeWriter, which never follows a link.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from fpack.builders.streams import plain_tar, tar_reader
from fpack.builders.streams.stream import ArchiveError, PieceReader, Section, Stream, blocks
from fpack.light_typing import Any
from fpack.store.closure_file.self_reference import OwnName, ReplacingHasher, replaced_digest
from fpack.store.errors import BadTree
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Directory, Node
from fpack.store.files.writer import TreeWriter
from fpack.store.path import make

from .format.errors import BadContent
from .format.records import LAYERS, DetachedFile, PathRecord

IN_MEMORY = 4 << 20  # bytes of a tar that is decompressed at once
_MAX_ENTRIES = 1 << 20
_END = bytes(1024)
_of_thread = threading.local()


OpenBlob = Callable[[DetachedFile], AbstractContextManager[Iterable[bytes]]]


def unpack(wanted: Sequence[tuple[PathRecord, TreeWriter]], pieces: Iterable[bytes], opened: OpenBlob) -> None:
    """Write the trees of records from the bytes of their part. Raise BadContent if one is not the tree of its path.

    Several records must be of one layer. opened: opens the blob of a detached file. The caller deletes what was written
    after an error.
    """
    record = wanted[0][0]
    try:
        trees = [_RecordTree(record, writer) for record, writer in wanted]
        if record.raw <= IN_MEMORY and not record.is_layer:
            data = _decompressed(record, pieces)
            if not trees[0].take_plain(data):
                _read(record, trees, iter((data, _END)))
        else:
            _read(record, trees, _streamed(record, pieces))
        for tree in trees:
            record = tree.record
            tree.finish(opened)
    except (ArchiveError, BadTree) as error:
        raise BadContent("A cache has wrong content for a store path", where=str(record.path), why=str(error)) from None


def _read(record: PathRecord, trees: Sequence[_RecordTree], source: Iterator[bytes]) -> None:
    """Write the members of a tar to the trees that they belong to."""
    by_prefix = {tree.prefix: tree for tree in trees}
    depths = sorted({prefix.count(b"/") + 1 for prefix in by_prefix})
    reader = tar_reader.TarReader(Stream(source, record.raw + len(_END)))
    for number, member in enumerate(reader):
        if number >= _MAX_ENTRIES:
            raise BadTree("A tree has too many entries", why=f"the limit is {_MAX_ENTRIES}")
        path = member.name.rstrip(b"/") if member.name.endswith(b"/") else member.name
        parts = path.split(b"/")
        found = (by_prefix.get(b"/".join(parts[:depth])) for depth in depths)
        tree = next((tree for tree in found if tree is not None), None)
        if tree is not None:
            tree.entry(os.fsdecode(path[len(tree.prefix) + 1 :]), member, reader)
        elif not record.is_layer:
            raise BadTree("A member is outside of its path", where=os.fsdecode(path[:80]))


def _decompressed(record: PathRecord, pieces: Iterable[bytes]) -> bytes:
    """Return a small tar without its end. It has exactly `record.raw` bytes."""
    import zstandard

    frame = b"".join(pieces)
    try:
        if zstandard.get_frame_parameters(frame).content_size == record.raw:
            data: bytes = _decompressor().decompress(frame, max_output_size=record.raw)
            return data
    except zstandard.ZstdError as error:
        raise ArchiveError("The content is damaged", why=str(error)) from None
    raise ArchiveError("The content has another size than its record")


def _decompressor() -> Any:
    """Return this thread's decompressor. One of them cannot serve two threads, and making one takes time."""
    import zstandard

    found = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return found


def _streamed(record: PathRecord, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the tar, which has exactly `record.raw` bytes, and its end."""
    reader = PieceReader(iter(pieces))
    left = record.raw
    for block in blocks(Section(reader, record.length, "The content"), LAYERS.get(record.codec, "zst")):
        left -= len(block)
        if left < 0:
            raise ArchiveError("The content is larger than its record")
        yield block
    if left:
        raise ArchiveError("The content is smaller than its record")
    if not record.is_layer:
        yield _END


class _RecordTree:
    """The tree of one record."""

    def __init__(self, record: PathRecord, writer: TreeWriter) -> None:
        self.record = record
        self._writer = writer
        self._left = record.size
        self.prefix = record.prefix.encode()
        self._own = OwnName(record.path, record.output) if record.output else None
        self._replaced: dict[str, FileNode] = {}

    def take_plain(self, data: bytes) -> bool:
        """Write all members of a small tar. Return False, and write nothing, if the general reader must read it."""
        members = plain_tar.members(data)
        if members is None:
            return False
        prefix, start = self.prefix, len(self.prefix) + 1
        inside = prefix + b"/"
        writer = self._writer
        files: dict[bytes, list[tuple[bytes, bytes, bool]]] = {}  # by directory
        for name, kind, executable, at, size, target in members:
            if not name.startswith(inside) and name != prefix:
                raise BadTree("A member is outside of its path", where=os.fsdecode(name[:80]))
            path = name[start:]
            if kind == plain_tar.FILE:
                self._take(size)
                if self._own is not None or not path:
                    self._file(os.fsdecode(path), [data[at : at + size]], executable)
                else:
                    parent, _, last = path.rpartition(b"/")
                    files.setdefault(parent, []).append((last, data[at : at + size], executable))
            elif kind == plain_tar.DIRECTORY:
                writer.new_directory(os.fsdecode(path))
            else:
                writer.symlink(os.fsdecode(path), os.fsdecode(target))
        for parent, some in files.items():
            writer.small_files(os.fsdecode(parent), some)
        return True

    def entry(self, path: str, member: tar_reader.TarMember, reader: tar_reader.TarReader) -> None:
        """Write a member. path: in the tree."""
        writer = self._writer
        if member.kind == tar_reader.DIRECTORY:
            writer.new_directory(path)
        elif member.kind == tar_reader.SYMLINK:
            writer.symlink(path, os.fsdecode(member.target))
        elif member.kind == tar_reader.FILE:
            self._take(member.size)
            self._file(path, reader.content(), bool(member.mode & 0o100))
        else:
            raise BadTree("A member is a hard link", where=path)

    def finish(self, opened: OpenBlob) -> None:
        """Write the detached files, and compare the tree with its path."""
        record = self.record
        for file in record.files:
            if self._writer.entry(file.name) is not None:
                raise BadTree("A path occurs twice in one tree", where=file.name)
            self._take(file.size)
            with opened(file) as pieces:
                self._file(file.name, _exactly(file, pieces), False)
        if self._writer.finish(top=False) != record.tree:
            raise BadTree("its tree has another digest")
        if self._left:
            raise BadTree("its files have another size")
        if self._own is not None:
            node = self._writer.node
            assert node is not None
            digest = replaced_digest(self._with_replaced(node, ""), self._own)
            if make(record.path.name, digest, sorted([*record.references, self._own.build_path])) != record.path:
                raise BadTree("its content has another path")

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise BadTree("A tree is larger than its record")

    def _file(self, path: str, chunks: Iterable[bytes], executable: bool) -> None:
        if self._own is None:
            self._writer.file(path, chunks, executable)
            return
        hasher = self._own.hasher()
        node = self._writer.file(path, _tee(chunks, hasher), executable)
        self._replaced[path] = node._replace(digest=hasher.digest())

    def _with_replaced(self, node: Node, path: str) -> Node:
        """Return a tree with the digests of files modulo the tree's own path."""
        if isinstance(node, FileNode):
            return self._replaced[path]
        if not isinstance(node, dict):
            return node
        below: Directory = {}
        for name, entry in node.items():
            inner = os.fsdecode(name)
            below[name] = self._with_replaced(entry, f"{path}/{inner}" if path else inner)
        return below


def _tee(chunks: Iterable[bytes], hasher: ReplacingHasher) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _exactly(file: DetachedFile, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a blob. Raise ArchiveError if it has another size."""
    left = file.size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise ArchiveError("A blob has another size than its record", where=file.name)
