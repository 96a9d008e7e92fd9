"""Compute the file system of a built image by unpacking its layers one over another.

The input is the layers and not their sources, so the result is what a container of the image sees. A temporary file
holds the contents of files for random access; only names and attributes are in memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.streams import tar_reader as reader
from fpack.builders.streams.codecs import LAYER_TYPES
from fpack.builders.streams.stream import ArchiveError, PieceReader, Section, Stream, blocks
from fpack.builders.streams.tar_writer import BUFFER, DIRECTORY, END, FILE, SYMLINK, TarEntry, header, length, padding
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import joined, write_all

Trees = Callable[[str], CheckedTree]


class _Layer(NamedTuple):
    """A layer's blob. size: of the blob. tar: the size of the tar in it. codec: a name of `streams.stream`."""

    tree: CheckedTree
    size: int
    tar: int
    codec: str


class SpooledEntry(NamedTuple):
    """An entry of the file system. at: the offset of a file's content in the spool. digest: of the content, or b""."""

    member: TarEntry
    at: int = 0
    digest: bytes = b""


class FileSystem:
    """The file system of an image, and a context manager that deletes the temporary file.

    entries: by relative path, with all parents; `b""` is the root. config: the image's configuration.
    image: the image's output. trees: returns the reader of a store path. directory: for the temporary file, with space
    for all files of the image. digest: the hashlib algorithm for the digests of files, or "" for none.
    """

    def __init__(self, image: CheckedTree, trees: Trees, directory: Path, digest: str = "") -> None:
        import json

        self.record, config, _ = read_record(image)
        self.config: dict[str, Any] = json.loads(config).get("config", {})
        self.entries: dict[bytes, SpooledEntry] = {b"": SpooledEntry(TarEntry(b"", DIRECTORY, 0o755))}
        self._digest = digest
        self._spool = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  closed at the end of the context
        try:
            for layer in self.record["layers"]:
                self._read(_layer(layer, trees))
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def members(self) -> list[TarEntry]:
        """Return all entries in the order of a depth-first walk."""
        return [self.entries[path].member for path in sorted(self.entries, key=walk_order)]

    def content(self, member: TarEntry) -> Iterator[bytes]:
        at = self.entries[member.path].at
        left = member.size
        while left:
            data = os.pread(self._spool.fileno(), min(left, BUFFER), at)
            if not data:
                raise ArchiveError("A temporary file was truncated")
            at += len(data)
            left -= len(data)
            yield data

    def _read(self, layer: _Layer) -> None:
        pieces = layer.tree.chunks("blob")
        try:
            self._unpack(layer, Section(PieceReader(pieces), layer.size, "A layer in the store"))
        except ArchiveError:
            for _ in pieces:  # the comparison after the last piece tells whether the blob is damaged
                pass
            raise
        if next(pieces, None) is not None:
            raise layer.tree.damaged("blob", f"it has more than {layer.size} bytes")

    def _unpack(self, layer: _Layer, section: Section) -> None:
        archive = reader.TarReader(Stream(blocks(section, layer.codec), layer.tar))
        for m in archive:
            if m.kind not in _KINDS:
                raise ArchiveError("A layer in the store has an entry of a kind that fpack does not write")
            path = m.name.removeprefix(b"./").rstrip(b"/")
            found = SpooledEntry(TarEntry(path, _KINDS[m.kind], m.mode, m.uid, m.gid, m.size, m.target))
            self._add(self._spool_content(found, archive.content()) if m.kind == reader.FILE else found)
        section.skip()

    def _spool_content(self, found: SpooledEntry, content: Iterator[bytes]) -> SpooledEntry:
        at = os.lseek(self._spool.fileno(), 0, os.SEEK_CUR)
        hasher = hashlib.new(self._digest, usedforsecurity=False) if self._digest else None
        for chunk in content:
            write_all(self._spool.fileno(), chunk)
            if hasher is not None:
                hasher.update(chunk)
        return found._replace(at=at, digest=hasher.digest() if hasher is not None else b"")

    def _add(self, new: SpooledEntry) -> None:
        path = new.member.path
        old = self.entries.get(path)
        if old is not None and old.member.kind == DIRECTORY and new.member.kind != DIRECTORY:
            below = path + b"/"
            for hidden in [p for p in self.entries if p.startswith(below)]:
                del self.entries[hidden]
        self.entries[path] = new
        while path:
            path = path.rpartition(b"/")[0]
            above = self.entries.get(path)
            if above is not None and above.member.kind == DIRECTORY:
                break
            self.entries[path] = SpooledEntry(TarEntry(path, DIRECTORY, 0o755))


def walk_order(path: bytes) -> bytes:
    """Return a sort key that orders the content of `a/` before `a.b`."""
    return path.replace(b"/", b"\0")


def _layer(record: dict[str, Any], trees: Trees) -> _Layer:
    return _Layer(trees(record["path"]), record["size"], record["tar"], LAYER_TYPES[record["media_type"]])


_KINDS = {reader.FILE: FILE, reader.DIRECTORY: DIRECTORY, reader.SYMLINK: SYMLINK}


class ArchiveItem(NamedTuple):
    """An entry of an archive. source: the entry of the file system that has its content. Otherwise `data` has it."""

    member: TarEntry
    source: TarEntry | None = None
    data: bytes = b""


def whole(files: FileSystem) -> list[ArchiveItem]:
    """Return the entries of the whole file system."""
    return [ArchiveItem(member, member) for member in files.members()]


def content(files: FileSystem, item: ArchiveItem) -> Iterator[bytes]:
    """Yield the content of a file; nothing for other entries."""
    if item.source is not None:
        yield from files.content(item.source)
    elif item.data:
        yield item.data


def archive(files: FileSystem, items: Sequence[ArchiveItem]) -> Iterator[bytes]:
    """Yield a tar in pieces of about `BUFFER` bytes."""
    return joined(_pieces(files, items), BUFFER)


def archive_length(items: Sequence[ArchiveItem]) -> int:
    """Return the size of the tar in bytes."""
    return length(item.member for item in items)


def _pieces(files: FileSystem, items: Sequence[ArchiveItem]) -> Iterator[bytes]:
    for item in items:
        yield header(item.member)
        yield from content(files, item)
        yield padding(item.member.size)
    yield END
