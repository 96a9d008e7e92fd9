"""Add sources to the store quickly: with several processes, and without reading what did not change.

The digests of a source's files are remembered with the files' status: size, times, inode and mode. A file that changed
within the last moments before it was read is not remembered, because it could change again without another time.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.store.files import disk_cache
from fpack.store.files.copier import LARGE, copy_file, hash_file
from fpack.store.files.pool import FileNode
from fpack.store.files.source import SourceIgnores, SourceTree
from fpack.store.files.tree import MAX_DEPTH, MAX_PATH_BYTES, Directory, check_entry, check_target, split, tree_digest
from fpack.store.files.writer import TreeWriter

from .canonical import Value
from .errors import BadTree
from .parallel import spread
from .store import Store

_FORMAT = b"sources 1"
_RECENT = 2_000_000_000  # nanoseconds: file systems with coarse times, and clocks that differ a little
_FEW = 500  # files up to which more processes do not pay
_MAX_SOURCES = 100  # whose digests are remembered
_SHARE = 8  # a source of which more than one file in so many is new is copied without being hashed first


_STATUS = struct.Struct("<QQqqL")
_HEAD = 16
_TAIL = struct.Struct("<QQ?")
_STAMP = _HEAD + _TAIL.size
_ROW = _STAMP + 32


class _File(NamedTuple):
    path: str
    directory: Directory
    name: bytes
    stamp: bytes


class SourceReader:
    """A reader of one source, a file or a directory. cache: the directory of remembered digests, None for none."""

    def __init__(self, store: Store, source: Path, cache: Path | None = None, jobs: int | None = None) -> None:
        self._store = store
        self._source = source
        self._top = os.path.abspath(source)
        self._cache = cache
        self._name = blake3(_FORMAT + os.fsencode(self._top)).hexdigest(20)
        self._jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
        self._is_directory = source.is_dir() and not source.is_symlink()
        self._root: Directory = {}
        self._directories: list[str] = []
        self._links: list[tuple[str, bytes]] = []
        self._files: list[_File] = []
        self._large = False
        self._known: dict[bytes, bytes] = {}  # digest by stamp
        self._stamps: dict[bytes, bytes] = {}  # what to remember
        self._begun = time.time_ns()
        if self._is_directory:
            self._known = self._remembered()
            self._walk(self._top, "", self._root, SourceIgnores(Path(self._top)))

    def digest(self) -> bytes | None:
        """Return the digest of the source's tree. Return None if most of it is new: then write it, which also tells."""
        if not self._is_directory:
            return SourceTree().hash(self._source)
        new = [file for file in self._files if file.stamp not in self._known]
        if len(new) * _SHARE > len(self._files):
            return None
        for file in self._files:
            if file.stamp in self._known:
                self._put(file, self._node(file))
        for file in new:
            self._put(file, hash_file(self._disk(file)))
        return tree_digest(self._root)

    def write(self) -> TreeWriter:
        """Write the source's tree, and return its writer."""
        writer = self._store.writer()
        if not self._is_directory:
            SourceTree().copy(self._source, writer)
            return writer
        base = os.fspath(writer.disk)
        os.mkdir(base, 0o755)
        for path in self._directories:
            os.mkdir(f"{base}/{path}", 0o755)
        for path, target in self._links:
            os.symlink(target, f"{base}/{path}")
            os.utime(f"{base}/{path}", (1, 1), follow_symlinks=False)
        jobs = self._jobs if len(self._files) > _FEW or self._large else 1

        def work(number: int) -> Iterator[Value]:
            file = self._files[number]
            target = f"{base}/{file.path}"
            known = self._node(file) if file.stamp in self._known else None
            if known is None or not self._store.pool.link(known, target):
                known = copy_file(self._store.pool, self._disk(file), target)
            yield [number, known.digest, known.size, known.executable]

        for number, digest, size, executable in spread(len(self._files), work, jobs):
            self._put(self._files[number], FileNode(digest, size, executable))
        writer.take_over(self._root)
        return writer

    def remember(self) -> None:
        """Remember the digests of the files that were read, for the next time."""
        if self._cache is None or not self._stamps or self._stamps == self._known:
            return
        body = b"".join(stamp + digest for stamp, digest in self._stamps.items())
        disk_cache.write(self._cache, self._name, body)
        with contextlib.suppress(OSError):
            entries = sorted(os.scandir(self._cache), key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in entries[_MAX_SOURCES:]:
                os.unlink(entry.path)

    def _remembered(self) -> dict[bytes, bytes]:
        body = disk_cache.read(self._cache, self._name)
        if body is None or len(body) % _ROW:
            return {}
        data = bytes(body)
        return {data[at : at + _STAMP]: data[at + _STAMP : at + _ROW] for at in range(0, len(data), _ROW)}

    def _walk(self, directory: str, relative: str, node: Directory, ignores: SourceIgnores) -> None:
        # Only there can a file's path be too long or too deep, if the directory's is not.
        near_limit = relative.count("/") > MAX_DEPTH - 4 or len(os.fsencode(relative)) > MAX_PATH_BYTES - 300
        with os.scandir(directory) as entries:
            listed = list(entries)
        for entry in listed:
            is_directory = entry.is_dir(follow_symlinks=False)
            if not ignores.keeps(os.fsencode(entry.path), is_directory):
                continue
            path = f"{relative}/{entry.name}" if relative else entry.name
            name = check_entry(os.fsencode(entry.name))
            if is_directory:
                split(path)  # the limits of paths
                self._directories.append(path)
                below: Directory = {}
                node[name] = below
                self._walk(entry.path, path, below, ignores)
                continue
            if near_limit:
                split(path)
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                node[name] = target = check_target(os.fsencode(os.readlink(entry.path)))
                self._links.append((path, target))
            elif stat.S_ISREG(status.st_mode):
                self._large |= status.st_size >= LARGE
                self._files.append(_File(path, node, name, _stamp(path, status)))
            else:
                raise BadTree("A source can hold only files, directories and symlinks", where=entry.path)

    def _disk(self, file: _File) -> str:
        return f"{self._top}/{file.path}"

    def _node(self, file: _File) -> FileNode:
        """Return the node of a file whose digest is remembered."""
        _, size, executable = _TAIL.unpack(file.stamp[_HEAD:])
        return FileNode(self._known[file.stamp], size, executable)

    def _put(self, file: _File, node: FileNode) -> None:
        file.directory[file.name] = node
        changed, *_ = _TAIL.unpack(file.stamp[_HEAD:])
        if changed + _RECENT < self._begun:
            self._stamps[file.stamp] = node.digest


def _stamp(path: str, status: os.stat_result) -> bytes:
    """Return what tells that a file did not change: a hash of path and status, last change, size, executable bit."""
    changed = max(status.st_ctime_ns, status.st_mtime_ns, 0)
    executable = status.st_mode & 0o100
    values = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
    head = blake3(_STATUS.pack(*values) + os.fsencode(path)).digest(_HEAD)
    return head + _TAIL.pack(changed, status.st_size, executable != 0)
