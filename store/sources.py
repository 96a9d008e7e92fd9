"""Add sources to the store with several processes, and without reading unchanged files again.

The digests of a source's files are remembered with the files' status: size, times, inode and mode. A file that changed
shortly before it was read is not remembered, because a later change may not change its times.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from blake3 import blake3
from fpack.store.files import disk_cache
from fpack.store.files.copier import LARGE, copy_files, hash_file
from fpack.store.files.filters.own_outputs import may_be_own
from fpack.store.files.pool import MTIME, FileNode
from fpack.store.files.source import SourceIgnores, SourceTree
from fpack.store.files.tree import (
    MAX_DEPTH,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    check_entry,
    check_target,
    directory_digest,
    split,
    top_digest,
)
from fpack.store.files.writer import TreeWriter

from . import canonical
from .canonical import Value
from .errors import BadTree
from .parallel import spread
from .store import Store

_FORMAT = b"sources 2"
_RECENT = 2_000_000_000  # nanoseconds: allows for coarse times of file systems and for differing clocks
_FEW = 500  # number of files up to which one process is fastest
_FEW_UNCHANGED = 4 * _FEW  # the same if they are only compared with their remembered status
_UNIT = 64  # number of files that a process takes at once
_MAX_SOURCES = 100  # maximum number of sources whose digests are remembered
_SHARE = 8  # a source is copied without being hashed first if more than one in _SHARE of its files is new

# The status that shows whether a file changed: device, inode, time of modification, time of change, mode and size.
# No file has inode 0, so the status of a file that must be read again is stored with device, inode and times of 0.
_STATUS = struct.Struct("<QQqqLQ")
_MODE = 32  # offset of the mode
_DIGEST = 32
_SHORT = MAX_NAME_BYTES // 4  # a name of so many characters has at most MAX_NAME_BYTES
_LETTERS = bytes(ord("x") if mode & 0o100 else ord("f") for mode in range(256))


class _Directory:
    """A directory of a source.

    path: its path in the source, "" for the top. names: its files, in the file system's order. links: names and targets
    of its symlinks. below: names of its directories. statuses: `_STATUS` of each file, digests: the digest of each
    file, both joined. unknown: indexes of files that are not hashed yet. digest: that of the directory, if it is known.
    """

    __slots__ = ("below", "digest", "digests", "links", "names", "path", "statuses", "unknown")

    def __init__(
        self,
        path: str,
        names: list[str],
        links: list[list[bytes]],
        below: list[str],
        statuses: bytes = b"",
        digests: bytes = b"",
        digest: bytes = b"",
    ) -> None:
        self.path, self.names, self.links, self.below, self.digest = path, names, links, below, digest
        self.statuses: bytes | bytearray = statuses
        self.digests: bytes | bytearray = digests
        self.unknown: set[int] = set()

    def is_like(self, other: _Directory) -> bool:
        """Return whether two directories have the same entries, with the same status."""
        return (
            self.statuses == other.statuses
            and self.names == other.names
            and self.below == other.below
            and self.links == other.links
        )

    def take_digests(self, other: _Directory | None) -> None:
        """Take the digests of those files that have the same status in `other`, and note the others as unknown."""
        self.statuses = bytearray(self.statuses or _STATUS.size * len(self.names))
        self.digests = bytearray(_DIGEST * len(self.names))
        if other is None:
            self.unknown = set(range(len(self.names)))
            return
        before = {name: at for at, name in enumerate(other.names)}
        for number, name in enumerate(self.names):
            at = before.get(name)
            if at is not None and other.status(at) == self.status(number):
                self.digests[number * _DIGEST : (number + 1) * _DIGEST] = other.digests[
                    at * _DIGEST : (at + 1) * _DIGEST
                ]
            else:
                self.unknown.add(number)

    def learn(self, number: int, statuses: bytes, digests: bytes) -> None:
        """Record the status and the digest of files that were read, from index `number` on."""
        first, last = number * _STATUS.size, number * _STATUS.size + len(statuses)
        if self.digest and self.statuses[first:last] == statuses:
            return
        self.digest = b""
        if not isinstance(self.statuses, bytearray) or not isinstance(self.digests, bytearray):
            self.statuses, self.digests = bytearray(self.statuses), bytearray(self.digests)
        self.statuses[first:last] = statuses
        self.digests[number * _DIGEST : number * _DIGEST + len(digests)] = digests

    def status(self, number: int) -> bytes:
        """Return the encoded status of a file."""
        return bytes(self.statuses[number * _STATUS.size : (number + 1) * _STATUS.size])

    def node(self, number: int) -> FileNode:
        """Return the node of a file whose digest is known."""
        *_, mode, size = _STATUS.unpack_from(self.statuses, number * _STATUS.size)
        return FileNode(bytes(self.digests[number * _DIGEST : (number + 1) * _DIGEST]), size, bool(mode & 0o100))

    def entries(self, digests: dict[str, bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield the arguments of `directory_digest`. digests: those of all directories, by path."""
        known = bytes(self.digests)
        # The lowest byte of each mode tells whether a file is executable.
        letters = bytes(self.statuses[_MODE :: _STATUS.size]).translate(_LETTERS)
        for at, name in enumerate(_encoded(self.names)):
            yield name, letters[at : at + 1], known[at * _DIGEST : (at + 1) * _DIGEST]
        for link, target in self.links:
            yield link, b"l", blake3(target).digest()
        for text in self.below:
            yield os.fsencode(text), b"d", digests[_joined(self.path, text)]


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
        self._before = time.time_ns() - _RECENT
        self._directories: dict[str, _Directory] = {}  # a directory stands after its parent
        self._remembered: dict[str, _Directory] = {}
        self._body = b""  # of the entry in the cache
        self._is_changed = False  # the entry must be replaced
        if self._is_directory:
            self._ignores = SourceIgnores(Path(self._top))
            self._remembered = self._load()
            self._walk(self._refreshed())
        self._files = sum(len(directory.names) for directory in self._directories.values())

    def digest(self) -> bytes | None:
        """Return the digest of the source's tree, or None if many files are new. The caller then calls `write`."""
        if not self._is_directory:
            return SourceTree().hash(self._source)
        changed = [directory for directory in self._directories.values() if directory.unknown]
        if sum(len(directory.unknown) for directory in changed) * _SHARE > self._files:
            return None
        for directory in changed:
            for number in directory.unknown:
                digest, size, status = hash_file(f"{self._disk(directory.path)}/{directory.names[number]}")
                directory.learn(number, self._packed(size, status), digest)
            directory.unknown = set()
        return self._digest()

    def write(self) -> TreeWriter:
        """Write the source's tree, and return its writer."""
        writer = self._writer()
        if not self._is_directory:
            SourceTree().copy(self._source, writer)
            return writer
        base = os.fspath(writer.disk)
        for path, directory in self._directories.items():
            os.mkdir(f"{base}/{path}", 0o755)
            for name, target in directory.links:
                link = f"{base}/{_joined(path, os.fsdecode(name))}"
                os.symlink(target, os.fsencode(link))
                os.utime(link, (MTIME, MTIME), follow_symlinks=False)
        jobs = 1 if self._files <= _FEW and not self._is_large() else self._jobs
        # If there are few files, some may be large, so each file is a unit.
        unit = _UNIT if self._files >= 4 * _UNIT * jobs else 1
        units = [
            (directory, start)
            for directory in self._directories.values()
            for start in range(0, len(directory.names), unit)
        ]

        def work(number: int) -> Iterator[Value]:
            directory, start = units[number]
            yield [number, *self._copied(directory, range(start, min(start + unit, len(directory.names))), base)]

        total = 0
        for number, statuses, digests, size in spread(len(units), work, jobs):
            directory, start = units[number]
            directory.learn(start, statuses, digests)
            total += size
        writer.take_over(self._directories, self._digest(), total)
        return writer

    def _is_large(self) -> bool:
        return any(
            os.lstat(f"{self._disk(directory.path)}/{name}").st_size >= LARGE
            for directory in self._directories.values()
            for name in directory.names
        )

    def _copied(self, directory: _Directory, numbers: Sequence[int], base: str) -> tuple[bytes, bytes, int]:
        """Copy files, or link them if the pool has their content. Return their status, digests and total size."""
        target = f"{base}/{directory.path}"
        linked = {
            number
            for number in (numbers if len(directory.unknown) < len(directory.names) else ())
            if number not in directory.unknown
            and self._pool.link(directory.node(number), f"{target}/{directory.names[number]}")
        }
        new = [directory.names[number] for number in numbers if number not in linked]
        copies = copy_files(self._pool, self._disk(directory.path), target, new)
        statuses, digests, total = [], [], 0
        for number in numbers:
            if number in linked:
                digest, size, _ = directory.node(number)
                statuses.append(directory.status(number))
            else:
                digest, size, status = next(copies)
                statuses.append(self._packed(size, status))
            digests.append(digest)
            total += size
        next(copies, None)  # ends it, which closes the directories
        return b"".join(statuses), b"".join(digests), total

    def _packed(self, size: int, status: os.stat_result) -> bytes:
        """Encode the status of a file of which `size` bytes were read."""
        modified, changed = status.st_mtime_ns, status.st_ctime_ns
        if modified < self._before > changed and (modified > 0 or changed > 0):
            return _STATUS.pack(status.st_dev, status.st_ino, modified, changed, status.st_mode, size)
        return _STATUS.pack(0, 0, 0, 0, status.st_mode, size)

    def _digest(self) -> bytes:
        """Return the digest of the source. Directories without changes below them keep their remembered digests."""
        digests: dict[str, bytes] = {}
        unchanged: set[str] = set()
        for path, directory in reversed(self._directories.items()):
            if directory.digest and unchanged.issuperset(_joined(path, name) for name in directory.below):
                unchanged.add(path)
            else:
                directory.digest = directory_digest(directory.entries(digests))
            digests[path] = directory.digest
        self._is_changed = not len(unchanged) == len(self._directories) == len(self._remembered)
        return top_digest(b"d", digests[""])

    def remember(self) -> None:
        """Write the digests of the files that were read to the cache."""
        if self._cache is None or not self._is_changed:
            return
        rows = (row for directory in self._directories.values() for row in _STATUS.iter_unpack(directory.statuses))
        if not any(inode for _, inode, *_ in rows):
            return
        body = canonical.encode_ordered([_record(directory) for directory in self._directories.values()])
        if body == self._body:  # files that changed recently are read again, but not remembered
            return
        disk_cache.write(self._cache, self._name, body)
        with contextlib.suppress(OSError):
            entries = sorted(os.scandir(self._cache), key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in entries[_MAX_SOURCES:]:
                os.unlink(entry.path)

    def _disk(self, path: str) -> str:
        return f"{self._top}/{path}" if path else self._top

    def _refreshed(self) -> dict[str, _Directory]:
        """Compare the remembered directories with the disk. Return the present state of those that exist, by path."""
        remembered = list(self._remembered.values())
        few = sum(len(directory.names) for directory in remembered) <= _FEW_UNCHANGED

        def work(number: int) -> Iterator[Value]:
            before = remembered[number]
            try:
                found = self._listed(before.path, True)
            except (OSError, BadTree):
                return  # if the directory is still a part of the source, `_walk` lists it again and raises the error
            yield number if found.is_like(before) else [number, _record(found)]

        present = {}
        for result in spread(len(remembered), work, 1 if few else self._jobs):
            if isinstance(result, int):
                directory = remembered[result]
            else:
                directory = _restored(result[1])
                directory.take_digests(remembered[result[0]])
            present[directory.path] = directory
        return present

    def _walk(self, known: Mapping[str, _Directory]) -> None:
        """Find all directories. known: those whose present state is known, so that they need not be listed."""
        todo = [""]
        while todo:
            path = todo.pop()
            directory = known.get(path)
            if directory is None:
                directory = self._listed(path, False)
                directory.take_digests(None)
            self._directories[path] = directory
            todo += [_joined(path, name) for name in directory.below]

    def _listed(self, path: str, with_status: bool) -> _Directory:
        """List a directory. with_status: also read the status of its files."""
        if path:
            split(path)  # the limits of paths
        # The path of a file can be too long or too deep only if the directory's path is near the limits.
        near_limit = path.count("/") > MAX_DEPTH - 4 or len(os.fsencode(path)) > MAX_PATH_BYTES - 300
        disk = self._disk(path)
        is_plain = not self._ignores.applies(os.fsencode(disk))
        names: list[str] = []
        statuses: list[bytes] = []
        links: list[list[bytes]] = []
        below: list[str] = []
        with os.scandir(disk) as entries:
            for entry in entries:
                name = entry.name
                is_file = entry.is_file(follow_symlinks=False)
                is_directory = not is_file and entry.is_dir(follow_symlinks=False)
                if name == ".git":
                    continue
                may_lack = not is_plain or may_be_own(os.fsencode(name))
                if may_lack and not self._ignores.keeps(os.fsencode(entry.path), is_directory):
                    continue
                if len(name) > _SHORT:
                    check_entry(os.fsencode(name))
                if near_limit:
                    split(_joined(path, name))
                if is_file:
                    names.append(name)
                    if with_status:
                        status = entry.stat(follow_symlinks=False)
                        statuses.append(
                            _STATUS.pack(
                                status.st_dev,
                                status.st_ino,
                                status.st_mtime_ns,
                                status.st_ctime_ns,
                                status.st_mode,
                                status.st_size,
                            )
                        )
                elif is_directory:
                    below.append(name)
                elif entry.is_symlink():
                    links.append([os.fsencode(name), check_target(os.fsencode(os.readlink(entry.path)), entry.path)])
                else:
                    raise BadTree("A source can hold only files, directories and symlinks", where=entry.path)
        return _Directory(path, names, links, below, b"".join(statuses))

    def _load(self) -> dict[str, _Directory]:
        self._body = bytes(disk_cache.read(self._cache, self._name) or b"")
        directories = map(_restored, canonical.peek(self._body)) if self._body else ()
        return {directory.path: directory for directory in directories}


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _encoded(names: list[str]) -> list[bytes]:
    return os.fsencode("\0".join(names)).split(b"\0") if names else []


def _record(directory: _Directory) -> list[Value]:
    """Return a canonical value from which `_restored` makes the directory."""
    return [
        os.fsencode(directory.path),
        os.fsencode("\0".join(directory.names)),
        directory.links,
        os.fsencode("\0".join(directory.below)),
        bytes(directory.statuses),
        bytes(directory.digests),
        directory.digest,
    ]


def _restored(record: list[Value]) -> _Directory:
    """Decode a remembered directory. A list of names is one string with NUL characters between them."""
    path, names, links, below, *rest = record
    return _Directory(
        os.fsdecode(path),
        os.fsdecode(names).split("\0") if names else [],
        links,
        os.fsdecode(below).split("\0") if below else [],
        *rest,
    )
