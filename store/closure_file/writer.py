"""Write a closure file. Each tree is hashed while it is read, so a damaged tree is never exported."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from blake3 import blake3
from fpack.store import base32
from fpack.store.database import PathInfo
from fpack.store.errors import BadTree, StoreError
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import CHUNK, Directory, Node, check_target, tree_digest
from fpack.store.path import StorePath, make
from fpack.store.store import Store

from .format import (
    BLOCK,
    DIRECTORY,
    END,
    FILE,
    FIRST_LINE,
    FORMAT,
    LEVEL,
    LINK,
    MAX_ENTRIES,
    MAX_RECORD,
    PROGRAM,
    ClosureEntry,
    ClosureHeader,
    encode_trailer,
    ordered,
)  # fmt: skip
from .self_reference import own_output

Progress = Callable[[int, int], None]  # bytes of files done, bytes of all files


class ByteTarget(Protocol):
    """A file that bytes are written to."""

    def write(self, data: bytes, /) -> object: ...


def write_closure(
    store: Store, roots: Iterable[StorePath], target: ByteTarget, progress: Progress = lambda done, total: None
) -> ClosureHeader:
    """Write the closure of `roots` and return the header. The caller must keep `roots` from gc during the call.

    Raise StoreError if a tree is damaged, and OSError if `target` cannot be written. The bytes written so far are then
    not a valid closure file.
    """
    top = tuple(sorted(set(roots)))
    infos = {path: store.database.info(base32.decode(path.hash)) for path in store.closure(top)}
    by_hash = {base32.decode(path.hash): path for path in infos}
    references: dict[StorePath, list[StorePath]] = {}
    total = 0
    for path, info in infos.items():
        if info is None:
            raise StoreError("A path was deleted while it was exported", where=str(path), hint="try again")
        references[path] = sorted(by_hash[hash_] for hash_ in info.references if by_hash[hash_] != path)
        total += info.size
    header = ClosureHeader(top, len(infos), total)
    try:
        _write(store, header, infos, references, target, progress)
    except _TargetFailed as failure:
        raise failure.error from None
    return header


def _write(
    store: Store,
    header: ClosureHeader,
    infos: Mapping[StorePath, PathInfo | None],
    references: Mapping[StorePath, list[StorePath]],
    target: ByteTarget,
    progress: Progress,
) -> None:
    """Write the stream. references: the other paths that each path references, sorted."""
    out = _Blocks(target)
    out.record(header.encode())
    exporter = _Exporter(store, out, header.size, progress)
    for path in ordered(references):
        info = infos[path]
        assert info is not None
        exporter.path(path, info.tree, info.size, references[path])
    out.record(encode_trailer(out.digest()))
    out.end()


class _TargetFailed(Exception):
    """An error of the target, which is no damage of a path."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _Target:
    """The target, whose errors are told apart from those of the files that are read."""

    def __init__(self, target: ByteTarget) -> None:
        self._target = target

    def write(self, data: bytes) -> None:
        try:
            self._target.write(data)
        except OSError as error:
            raise _TargetFailed(error) from None


class _Blocks:
    """A writer that hashes the stream, cuts it into blocks and compresses them."""

    def __init__(self, target: ByteTarget) -> None:
        import zstandard

        self._target = _Target(target)
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
        self._buffer = bytearray()
        self._blake3 = blake3()
        self._target.write(FIRST_LINE + b"%d\n" % FORMAT)

    def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= BLOCK:
            self._flush(BLOCK)

    def record(self, body: bytes) -> None:
        if len(body) > MAX_RECORD:
            raise StoreError("A path has too many references to be exported", why=f"the limit is {MAX_RECORD} bytes")
        self.write(len(body).to_bytes(4, "big") + body)

    def digest(self) -> bytes:
        """Return the digest of the stream so far."""
        now = self._blake3.copy()
        now.update(bytes(self._buffer))
        return now.digest()

    def end(self) -> None:
        if self._buffer:
            self._flush(len(self._buffer))
        self._target.write(bytes(4))

    def _flush(self, size: int) -> None:
        block = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._blake3.update(block)
        frame = self._zstd.compress(block)
        self._target.write(len(frame).to_bytes(4, "big") + frame)


class _Exporter:
    """A writer of trees into the stream. total: bytes of all files, for the progress."""

    def __init__(self, store: Store, out: _Blocks, total: int, progress: Progress) -> None:
        self._store = store
        self._out = out
        self._total = total
        self._progress = progress
        self._done = 0
        self._entries = 0

    def path(self, path: StorePath, tree: bytes, size: int, references: list[StorePath]) -> None:
        """Write a path's record and its tree."""
        disk = os.fspath(self._store.disk(path))
        output = "" if make(path.name, tree, references) == path else own_output(path, disk, references)
        if not output and make(path.name, tree, references) != path:
            raise _damaged(path, "its name is not the hash of its content")
        self._out.record(ClosureEntry(path, tree, size, tuple(references), output).encode())
        self._entries = 0
        before = self._done
        try:
            node = self._entry(os.fsencode(disk), b"")
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from None
        except BadTree as error:
            raise _damaged(path, str(error)) from None
        if tree_digest(node) != tree or self._done - before != size:
            raise _damaged(path, "its content differs from what was registered")

    def _entry(self, path: bytes, name: bytes) -> Node:
        """Write an entry and all below it. Return its node. name: that in its directory, b"" for the top."""
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise StoreError(
                "A tree has too many entries to be exported",
                where=os.fsdecode(path), why=f"the limit is {MAX_ENTRIES}",
            )  # fmt: skip
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = check_target(os.readlink(path))
            self._out.write(LINK + _text(name) + _text(target))
            return target
        if stat.S_ISREG(status.st_mode):
            return self._file(path, name)
        if not stat.S_ISDIR(status.st_mode):
            raise BadTree("A tree can hold only files, directories and symlinks", where=os.fsdecode(path))
        self._out.write(DIRECTORY + _text(name))
        entries: Directory = {below: self._entry(path + b"/" + below, below) for below in sorted(os.listdir(path))}
        self._out.write(END)
        return entries

    def _file(self, path: bytes, name: bytes) -> FileNode:
        """Write a file. Raise BadTree if it changes meanwhile: its size is written before its content."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise BadTree("A file was replaced while it was read", where=os.fsdecode(path))
            executable = bool(status.st_mode & 0o100)
            size = left = status.st_size
            self._out.write((PROGRAM if executable else FILE) + _text(name) + size.to_bytes(8, "big"))
            hasher = blake3()
            while left:
                piece = os.read(fd, min(left, CHUNK))
                if not piece:
                    raise BadTree("A file shrank while it was read", where=os.fsdecode(path))
                hasher.update(piece)
                self._out.write(piece)
                left -= len(piece)
                self._done += len(piece)
                self._progress(self._done, self._total)
            digest = hasher.digest()
            self._out.write(digest)
            return FileNode(digest, size, executable)
        finally:
            os.close(fd)


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _damaged(path: StorePath, why: str) -> StoreError:
    return StoreError("A path in the store is damaged", where=str(path), why=why, hint=f"run fpack store repair {path}")
