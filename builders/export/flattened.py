"""The file system that a container of an image sees: its layers laid one over the other, as they are in the image.

It is read from the layers, not from what they were made from: so it is what the image holds. The content of files is
kept in a temporary file, from where it can be had in any order, and only names are in memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fpack.builders.oci.image_record import read as read_record
from fpack.builders.streams import tar_reader as reader
from fpack.builders.streams.output_file import write
from fpack.builders.streams.stream import ArchiveError, Section, Stream, blocks
from fpack.builders.streams.tar_writer import BUFFER, DIRECTORY, END, FILE, SYMLINK, TarEntry, header, length, padding

_CODECS = {"+zstd": "zst", "+gzip": "gz", ".tar": ""}


class _Layer(NamedTuple):
    """A layer's blob. digest, size: its own; tar: size of the tar in it. codec: as `archive.stream` names it."""

    place: Path
    digest: str
    size: int
    tar: int
    codec: str


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._sha256.update(data)
        return data

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


class Found(NamedTuple):
    """An entry of the file system. at: where in the spool a file's content is. digest: of it, if that was asked for."""

    member: TarEntry
    at: int = 0
    digest: bytes = b""


class FileSystem:
    """entries: by path, relative, all parents of each among them; `b""` is the root itself. config: the image's.

    image: where the image's output lies; disk: where a layer's store path does. folder: a directory with room for all
    files of the image, until the context ends. digest: an algorithm of hashlib by which each file is hashed.
    """

    def __init__(self, image: Path, disk: Callable[[str], Path], folder: Path, digest: str = "") -> None:
        import json

        self.record, config, _ = read_record(image)
        self.config: dict[str, Any] = json.loads(config).get("config", {})
        self.entries: dict[bytes, Found] = {b"": Found(TarEntry(b"", DIRECTORY, 0o755))}
        self._digest = digest
        self._spool = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed at the end of the context
        try:
            for layer in self.record["layers"]:
                self._read(_layer(layer, disk))
        except BaseException:
            self._spool.close()
            raise

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def members(self) -> list[TarEntry]:
        """All entries in the order of a walk: what is in a directory follows it at once."""
        return [self.entries[path].member for path in sorted(self.entries, key=walk_order)]

    def content(self, member: TarEntry) -> Iterator[bytes]:
        """What is in a file."""
        at = self.entries[member.path].at
        left = member.size
        while left:
            data = os.pread(self._spool.fileno(), min(left, BUFFER), at)
            if not data:
                raise ArchiveError("A temporary file became shorter")
            at += len(data)
            left -= len(data)
            yield data

    def _read(self, layer: _Layer) -> None:
        with open(layer.place, "rb") as file:
            have = os.fstat(file.fileno()).st_size
            if have != layer.size:
                raise _damaged(layer, f"{have} bytes, not {layer.size}")
            hashed: Any = _Hashed(file)
            section = Section(hashed, layer.size, "A layer in the store")
            archive = reader.TarReader(Stream(blocks(section, layer.codec), layer.tar))
            for m in archive:
                if m.kind not in _KINDS:
                    raise ArchiveError("A layer in the store has an entry of a kind that fpack does not write")
                path = m.name.removeprefix(b"./").rstrip(b"/")
                found = Found(TarEntry(path, _KINDS[m.kind], m.mode, m.uid, m.gid, m.size, m.target))
                self._lay(self._keep(found, archive.content()) if m.kind == reader.FILE else found)
            section.skip()
            if hashed.digest != layer.digest:
                raise _damaged(layer, f"its digest is {hashed.digest}, not {layer.digest}")

    def _keep(self, found: Found, content: Iterator[bytes]) -> Found:
        at = os.lseek(self._spool.fileno(), 0, os.SEEK_CUR)
        hasher = hashlib.new(self._digest, usedforsecurity=False) if self._digest else None
        for chunk in content:
            write(self._spool.fileno(), chunk)
            if hasher is not None:
                hasher.update(chunk)
        return found._replace(at=at, digest=hasher.digest() if hasher is not None else b"")

    def _lay(self, new: Found) -> None:
        path = new.member.path
        old = self.entries.get(path)
        if old is not None and old.member.kind == DIRECTORY and new.member.kind != DIRECTORY:
            below = path + b"/"
            for each in [p for p in self.entries if p.startswith(below)]:
                del self.entries[each]
        self.entries[path] = new
        while path:
            path = path.rpartition(b"/")[0]
            above = self.entries.get(path)
            if above is not None and above.member.kind == DIRECTORY:
                break
            self.entries[path] = Found(TarEntry(path, DIRECTORY, 0o755))


def walk_order(path: bytes) -> bytes:
    """Sorts what is below a directory before its neighbours whose names begin like it."""
    return path.replace(b"/", b"\0")


def _damaged(layer: _Layer, why: str) -> ArchiveError:
    return ArchiveError("A layer in the store is damaged", where=str(layer.place), why=why)


def _layer(record: dict[str, Any], disk: Callable[[str], Path]) -> _Layer:
    media_type = str(record["media_type"])
    codec = next(codec for end, codec in _CODECS.items() if media_type.endswith(end))
    return _Layer(disk(record["path"]) / "blob", record["digest"], record["size"], record["tar"], codec)


_KINDS = {reader.FILE: FILE, reader.DIRECTORY: DIRECTORY, reader.SYMLINK: SYMLINK}


class Item(NamedTuple):
    """An entry of an archive. source: the file of the file system that it is; else `data` is a file's content."""

    member: TarEntry
    source: TarEntry | None = None
    data: bytes = b""


def whole(files: FileSystem) -> list[Item]:
    """The file system as it is."""
    return [Item(member, member) for member in files.members()]


def content(files: FileSystem, item: Item) -> Iterator[bytes]:
    """What is in an archive's file; nothing for other entries."""
    if item.source is not None:
        yield from files.content(item.source)
    elif item.data:
        yield item.data


def archive(files: FileSystem, items: Sequence[Item]) -> Iterator[bytes]:
    """A tar, in pieces of about `BUFFER` bytes."""
    return joined(_pieces(files, items))


def archive_length(items: Sequence[Item]) -> int:
    """The bytes of the tar."""
    return length(item.member for item in items)


def _pieces(files: FileSystem, items: Sequence[Item]) -> Iterator[bytes]:
    for item in items:
        yield header(item.member)
        yield from content(files, item)
        yield padding(item.member.size)
    yield END


def joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= BUFFER:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
