"""Add sources to the store with several processes, and without reading unchanged files again.

The digests of a source's files are remembered with the files' status: size, times, inode and mode. A file that changed
shortly before it was read is not remembered, because a later change may not change its times.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3
from fpack.store.files import disk_cache
from fpack.store.files.copier import LARGE, copy_file, hash_file
from fpack.store.files.pool import MTIME, FileNode
from fpack.store.files.source import SourceIgnores, SourceTree
from fpack.store.files.tree import MAX_DEPTH, MAX_PATH_BYTES, Directory, check_entry, check_target, split, tree_digest
from fpack.store.files.writer import TreeWriter

from .canonical import Value
from .errors import BadTree
from .parallel import spread
from .store import Store

_FORMAT = b"sources 1"
_RECENT = 2_000_000_000  # nanoseconds: allows for coarse times of file systems and for differing clocks
_FEW = 500  # number of files up to which one process is fastest
_UNIT = 64  # number of files that a process takes at once
_MAX_SOURCES = 100  # maximum number of sources whose digests are remembered
_SHARE = 8  # a source is copied without being hashed first if more than one in _SHARE of its files is new

# The status that shows whether a file changed: device, inode, time of modification, time of change, mode and size.
_STATUS = struct.Struct("<QQqqLQ")
_DIGEST = 32
_ROW = _STATUS.size + _DIGEST

_File = tuple[str, Directory, bytes]  # a file's path, the model of its directory, and its name there


class SourceReader:
    """A reader of one source, a file or a directory. cache: the directory of remembered digests, None for none."""

    def __init__(self, store: Store, source: Path, cache: Path | None = None, jobs: int | None = None) -> None:
        self._pool = store.pool
        self._writer = store.writer
        self._source = source
        self._top = os.path.abspath(source)
        self._cache = cache
        self._name = blake3(_FORMAT + os.fsencode(self._top)).hexdigest(20)
        self._jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
        self._is_directory = source.is_dir() and not source.is_symlink()
        self._root: Directory = {}  # the model, without the files that are not yet read
        self._directories: list[str] = []
        self._links: list[tuple[str, bytes]] = []
        self._files: list[_File] = []
        self._new: list[_File] = []  # files whose digests are not known
        self._rows: dict[str, bytes] = {}  # the rows to remember, by path
        self._is_changed = False
        self._before = time.time_ns() - _RECENT
        if self._is_directory:
            remembered = self._remembered()
            self._walk(self._top, "", self._root, SourceIgnores(Path(self._top)), remembered)
            self._is_changed = len(self._rows) != len(remembered)

    def digest(self) -> bytes | None:
        """Return the digest of the source's tree, or None if many files are new. The caller then calls `write`."""
        if not self._is_directory:
            return SourceTree().hash(self._source)
        if len(self._new) * _SHARE > len(self._files):
            return None
        for file in self._new:
            node, status = hash_file(f"{self._top}/{file[0]}")
            self._learn(file, _packed(status), node)
        self._new.clear()
        return tree_digest(self._root)

    def write(self) -> TreeWriter:
        """Write the source's tree, and return its writer."""
        writer = self._writer()
        if not self._is_directory:
            SourceTree().copy(self._source, writer)
            return writer
        base = os.fspath(writer.disk)
        os.mkdir(base, 0o755)
        for path in self._directories:
            os.mkdir(f"{base}/{path}", 0o755)
        for path, target in self._links:
            os.symlink(target, f"{base}/{path}")
            os.utime(f"{base}/{path}", (MTIME, MTIME), follow_symlinks=False)
        is_small = len(self._files) <= _FEW and not self._is_large()
        units = -(-len(self._files) // _UNIT)
        # If there are few files, some may be large, so each file is a unit.
        unit = _UNIT if units >= 4 * self._jobs else 1

        jobs = 1 if is_small else self._jobs

        def work(number: int) -> Iterator[Value]:
            yield [
                number,
                b"".join(self._copied(file, base) for file in self._files[number * unit : (number + 1) * unit]),
            ]

        for number, rows in spread(-(-len(self._files) // unit), work, jobs):
            for at, file in enumerate(self._files[number * unit : (number + 1) * unit]):
                row = rows[at * _ROW : (at + 1) * _ROW]
                self._learn(file, row[: _STATUS.size], _node(row))
        writer.take_over(self._root)
        return writer

    def _is_large(self) -> bool:
        return any(os.lstat(f"{self._top}/{path}").st_size >= LARGE for path, _, _ in self._files)

    def _copied(self, file: _File, base: str) -> bytes:
        """Copy a file, or link it if the pool has its content. Return its row."""
        path, directory, name = file
        known = directory.get(name)
        if isinstance(known, FileNode) and self._pool.link(known, f"{base}/{path}"):
            # A file without a row changed recently. A row with times of 0 is not remembered.
            return self._rows.get(path) or _STATUS.pack(0, 0, 0, 0, known.executable << 6, known.size) + known.digest
        node, status = copy_file(self._pool, f"{self._top}/{path}", f"{base}/{path}")
        return _packed(status, node.size) + node.digest

    def remember(self) -> None:
        """Write the digests of the files that were read to the cache."""
        if self._cache is None or not self._is_changed:
            return
        body = b"".join([*self._rows.values(), os.fsencode("\0".join(self._rows))])
        disk_cache.write(self._cache, self._name, len(self._rows).to_bytes(8, "little") + body)
        with contextlib.suppress(OSError):
            entries = sorted(os.scandir(self._cache), key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in entries[_MAX_SOURCES:]:
                os.unlink(entry.path)

    def _remembered(self) -> dict[str, bytes]:
        body = disk_cache.read(self._cache, self._name)
        if body is None or len(body) < 8:
            return {}
        end = 8 + int.from_bytes(body[:8], "little") * _ROW
        data = bytes(body[8:end])
        paths = os.fsdecode(bytes(body[end:])).split("\0")
        rows = [data[at : at + _ROW] for at in range(0, len(data), _ROW)]
        return dict(zip(paths, rows, strict=True)) if len(paths) == len(rows) else {}

    def _walk(
        self, directory: str, relative: str, model: Directory, ignores: SourceIgnores, remembered: dict[str, bytes]
    ) -> None:
        # The path of a file can be too long or too deep only if the directory's path is near the limits.
        near_limit = relative.count("/") > MAX_DEPTH - 4 or len(os.fsencode(relative)) > MAX_PATH_BYTES - 300
        is_plain = not ignores.applies(os.fsencode(directory))
        with os.scandir(directory) as entries:
            listed = list(entries)
        for entry in listed:
            is_directory = entry.is_dir(follow_symlinks=False)
            text = entry.name
            if text == ".git" or not (is_plain or ignores.keeps(os.fsencode(entry.path), is_directory)):
                continue
            path = f"{relative}/{text}" if relative else text
            name = check_entry(os.fsencode(text))
            if is_directory:
                split(path)  # the limits of paths
                self._directories.append(path)
                below: Directory = {}
                model[name] = below
                self._walk(entry.path, path, below, ignores, remembered)
                continue
            if near_limit:
                split(path)
            if entry.is_symlink():
                model[name] = target = check_target(os.fsencode(os.readlink(entry.path)))
                self._links.append((path, target))
            elif entry.is_file(follow_symlinks=False):
                file = (path, model, name)
                self._files.append(file)
                row = remembered.get(path)
                if row is not None and row.startswith(_packed(entry.stat(follow_symlinks=False))):
                    model[name] = _node(row)
                    self._rows[path] = row
                else:
                    self._new.append(file)
            else:
                raise BadTree("A source can hold only files, directories and symlinks", where=entry.path)

    def _learn(self, file: _File, status: bytes, node: FileNode) -> None:
        path, directory, name = file
        directory[name] = node
        _, _, modified, changed, _, _ = _STATUS.unpack(status)
        if 0 < max(modified, changed) < self._before and path not in self._rows:
            self._rows[path] = status + node.digest
            self._is_changed = True


def _packed(status: os.stat_result, size: int | None = None) -> bytes:
    """Encode a status. size: the size of the content that was read, by default the size in the status."""
    return _STATUS.pack(
        status.st_dev,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode,
        status.st_size if size is None else size,
    )


def _node(row: bytes) -> FileNode:
    *_, mode, size = _STATUS.unpack_from(row)
    return FileNode(row[_STATUS.size :], size, bool(mode & 0o100))
