"""Check the store's integrity: hash every file of the pool again, and compare every tree with its database row.

A file that several trees share is read once. Builds and collections may run meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fpack.store.files.pool import FileNode, pool_name
from fpack.store.files.tree import read_file, scan, tree_digest

from . import base32
from .canonical import Value
from .database import PathInfo
from .errors import BadTree
from .parallel import spread
from .path import StorePath
from .store import Store

_MAX_KNOWN = 4_000_000  # files whose digests are kept in memory, at 50 bytes each; others are read again
_MAX_READ = 300_000  # the same limit for files that are read in trees, at 200 bytes each
_SMALL_STORE = 500, 8_000_000  # number of paths and bytes up to which one process is fastest
_DIGEST = 32


class Damage(NamedTuple):
    """A valid path whose tree differs from its database row."""

    path: StorePath
    why: str


class StoreCheck(NamedTuple):
    """The result of a check.

    paths: number of checked paths. bytes: bytes read. pool: pool files whose content differs from their name.
    """

    paths: int
    bytes: int
    damaged: tuple[Damage, ...]
    pool: tuple[str, ...]


Progress = Callable[[int, int, str], None]  # checked parts, all parts, kind of parts: `files` or `paths`


def check(store: Store, progress: Progress = lambda done, total, what: None, jobs: int | None = None) -> StoreCheck:
    """Hash every file and check every path. A path that is deleted meanwhile is not reported as damaged.

    jobs: number of processes, by default one for each processor, or one if the store is small.
    """
    infos = store.database.paths()
    infos.sort(key=lambda info: info.path.base)
    if jobs is None:
        small = len(infos) <= _SMALL_STORE[0] and sum(info.size for info in infos) <= _SMALL_STORE[1]
        jobs = 1 if small else len(os.sched_getaffinity(0))
    files = _Files(store, jobs)
    files.read_pool(progress)
    damaged = _check_trees(store, infos, files, progress, jobs)
    progress(len(infos), len(infos), "paths")
    return StoreCheck(len(infos), files.bytes, tuple(damaged), tuple(sorted(files.bad)))


def check_paths(
    store: Store, paths: Iterable[StorePath], progress: Progress = lambda done, total, what: None
) -> StoreCheck:
    """Check some paths. Read each of their files once, and no other file of the pool."""
    infos = [info for info in map(store.info, paths) if info is not None]
    files = _Files(store, 1)
    damaged = _check_trees(store, infos, files, progress, 1)
    return StoreCheck(len(infos), files.bytes, tuple(damaged), ())


def _check_trees(store: Store, infos: Sequence[PathInfo], files: _Files, progress: Progress, jobs: int) -> list[Damage]:
    """Compare all trees with the digests of their rows. Return the damaged paths in the order of `infos`."""
    valid = {base32.decode(info.path.hash) for info in infos}
    found: dict[int, str] = {}

    def work(number: int) -> Iterator[Value]:
        before = files.bytes
        why = _tree(store, infos[number], files)
        yield [number, why, files.bytes - before]

    progress(0, len(infos), "paths")
    read = 0
    for done, (number, why, size) in enumerate(spread(len(infos), work, jobs)):
        read += size
        why = why or _references(store, infos[number], valid)
        if why:
            found[number] = why
        progress(done + 1, len(infos), "paths")
    if jobs > 1:
        files.bytes += read
    # A collection may have deleted a path, or a reference of it, during the check.
    return [Damage(infos[number].path, why) for number, why in sorted(found.items()) if store.info(infos[number].path)]


def _tree(store: Store, info: PathInfo, files: _Files) -> str:
    """Return the damage of a path's tree, or an empty string."""
    disk = os.fspath(store.disk(info.path))
    try:
        found = tree_digest(scan(disk, read=files.read))
    except FileNotFoundError as error:
        whole = error.filename in (disk, os.fsencode(disk))
        return "it is missing" if whole else "a part of it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except BadTree as error:
        return str(error)
    return "" if found == info.tree else "its content differs from what was registered"


def _references(store: Store, info: PathInfo, valid: set[bytes]) -> str:
    for reference in info.references:
        if reference not in valid and store.database.info(reference) is None:
            return f"it references a path that is not in the store, {base32.encode(reference)}"
    return ""


def damaged_pool_files(store: Store, paths: Iterable[StorePath]) -> list[str]:
    """Return the pool files that trees of `paths` share and whose content differs from their name."""
    inodes = set()
    for path in paths:
        for directory, _, names in os.walk(store.disk(path)):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    inodes.add(os.lstat(f"{directory}/{name}").st_ino)
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.lstat(store.disk(path)).st_ino)
    bad = []
    for file, name, status in store.pool.members():
        if status.st_ino in inodes:
            try:
                if pool_name(read_file(file, status)) != name:
                    bad.append(file)
            except FileNotFoundError:
                continue
            except OSError:
                bad.append(file)
    return bad


class _Files:
    """The digests of the pool's files, by inode. bad: pool files whose content differs from their name."""

    def __init__(self, store: Store, jobs: int) -> None:
        self._pool = store.pool
        self._jobs = jobs
        self._device = os.stat(store.root).st_dev
        self._inodes = array("Q")
        self._digests = b""
        self._read: dict[int, bytes] = {}  # of files outside of the pool
        self.bytes = 0
        self.bad: list[str] = []

    def read_pool(self, progress: Progress) -> None:
        """Hash every file of the pool."""
        directories = self._pool.directories()
        found: list[tuple[int, bytes]] = []
        progress(0, len(directories), "files")
        results = spread(len(directories), lambda number: [self._hash(directories[number])], self._jobs)
        for done, (inodes, digests, size, bad) in enumerate(results):
            self.bytes += size
            self.bad += map(os.fsdecode, bad)
            if len(found) < _MAX_KNOWN:
                pieces = (digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST))
                found += zip(array("Q", inodes), pieces, strict=True)
            progress(done + 1, len(directories), "files")
        found.sort()
        self._inodes = array("Q", (inode for inode, _ in found))
        self._digests = b"".join(digest for _, digest in found)

    def _hash(self, directory: str) -> list[Value]:
        """Hash the files of one directory. Return their inodes and digests, their size, and paths of damaged files."""
        inodes = array("Q")
        digests: list[bytes] = []
        total = 0
        bad: list[Value] = []
        for path, name, status in self._pool.files_in(directory):
            try:
                node = read_file(path, status)
            except FileNotFoundError:
                continue
            except OSError:
                bad.append(os.fsencode(path))
                continue
            if pool_name(node) != name:
                bad.append(os.fsencode(path))
            inodes.append(status.st_ino)
            digests.append(node.digest)
            total += node.size
        return [inodes.tobytes(), b"".join(digests), total, bad]

    def read(self, path: str | bytes, status: os.stat_result) -> FileNode:
        """Return the node of a file of a tree. Read the file only if it was not read before."""
        at = bisect_left(self._inodes, status.st_ino)
        if at < len(self._inodes) and self._inodes[at] == status.st_ino and status.st_dev == self._device:
            digest = self._digests[at * _DIGEST : (at + 1) * _DIGEST]
            return FileNode(digest, status.st_size, bool(status.st_mode & 0o100))
        if status.st_dev == self._device and (known := self._read.get(status.st_ino)):
            return FileNode(known, status.st_size, bool(status.st_mode & 0o100))
        node = read_file(path, status)
        self.bytes += node.size
        if status.st_nlink > 1 and len(self._read) < _MAX_READ:
            self._read[status.st_ino] = node.digest
        return node
