"""Delete trees and views of paths that are not valid, and the files of the pool that no tree links to.

The tree of a path is deleted under the lock that registration takes. A directory is only moved to the trash under the
lock, and deleted afterwards. Many trees and files are divided among processes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.store import base32
from fpack.store.database import Database
from fpack.store.errors import InvalidName
from fpack.store.files.pool import BLOCK, Pool
from fpack.store.files.remove import remove_tree
from fpack.store.locks import path_locks
from fpack.store.parallel import spread
from fpack.store.path import parse

_TOGETHER = 64  # trees that are deleted under their locks at a time
_PIECE = 64  # trees of the trash that a process deletes at a time
_SMALL = 2000  # number of trees, or paths of the store, up to which one process is fastest


class _Suspect(NamedTuple):
    """An entry of `store` that has no valid path. hash: b"" if the entry is not named like a path."""

    name: str
    hash: bytes
    is_directory: bool


class FreedBytes:
    """A count of the bytes of the disk that deletions free."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, status: os.stat_result) -> None:
        """Count a directory, or a file whose last link is about to be deleted. Ignore a file that has other links."""
        if status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
            self.total += status.st_blocks * BLOCK


class Deleter:
    """The deletions of one collection. discard: moves a file or directory to the trash, and returns its new path."""

    def __init__(self, root: Path, database: Database, pool: Pool, discard: Callable[[str | Path], Path]) -> None:
        self._root = os.fspath(root)
        self._database = database
        self._pool = pool
        self._discard = discard
        self._trash = f"{self._root}/trash/{os.urandom(8).hex()}"
        self._moved = 0
        self.freed = FreedBytes()

    def delete_trees(self, names: Mapping[bytes, str], doomed: Container[bytes]) -> None:
        """Delete the trees whose paths are not valid, and empty the trash.

        names: the names of paths, by hash. doomed: the hashes of those that are not valid any more.
        """
        hashes = list(names)
        bases = map("-".join, zip(base32.encode_all(hashes), names.values(), strict=True))
        known = dict(zip(bases, hashes, strict=True))
        suspects = []
        for entry in os.scandir(f"{self._root}/store"):
            hash_ = known.get(entry.name)
            if hash_ is None or hash_ in doomed:
                suspects.append(_Suspect(entry.name, hash_ or _hash(entry.name), entry.is_dir(follow_symlinks=False)))
        suspects.sort()
        for at in range(0, len(suspects), _TOGETHER):
            self._remove_unless_valid(suspects[at : at + _TOGETHER])
        self._empty_trash()

    def _remove_unless_valid(self, suspects: Sequence[_Suspect]) -> None:
        """Delete entries of `store` that have no valid path, under the locks that registration takes."""
        with path_locks(Path(self._root), [parse(suspect.name) for suspect in suspects if suspect.hash]):
            # Some paths may have been registered meanwhile.
            valid = self._database.references(suspect.hash for suspect in suspects if suspect.hash)
            for name, hash_, is_directory in suspects:
                if hash_ not in valid or valid[hash_][1] != name.partition("-")[2]:
                    self._remove(f"{self._root}/store/{name}", is_directory)

    def _remove(self, path: str, is_directory: bool) -> None:
        """Delete a file, or move a directory to the trash."""
        try:
            if is_directory:
                # Renaming a directory to another parent needs write permission on the directory.
                os.chmod(path, 0o755)
                os.rename(path, f"{self._trash}-{self._moved}")
                self._moved += 1
            else:
                self.freed.add(os.lstat(path))
                os.unlink(path)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                self._discard(path)

    def _empty_trash(self) -> None:
        """Delete all entries of the trash, with several processes."""
        names = sorted(os.listdir(f"{self._root}/trash"))

        def work(piece: int) -> Iterator[int]:
            freed = FreedBytes()
            for name in names[piece * _PIECE : (piece + 1) * _PIECE]:
                remove_tree(f"{self._root}/trash/{name}", freed.add)
            yield freed.total

        self._divide(-(-len(names) // _PIECE), work, len(names))

    def delete_files(self, paths: int) -> None:
        """Delete the files that only the pool links to. paths: the number of paths, an estimate of the pool's size."""
        directories = self._pool.directories()

        def work(number: int) -> Iterator[int]:
            freed = 0
            for path, size in self._pool.unused_in(directories[number]):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                    freed += size
            yield freed

        self._divide(len(directories), work, paths)

    def _divide(self, count: int, work: Callable[[int], Iterator[int]], size: int) -> None:
        """Call `work` with each number below `count`, in several processes if `size` is large. Add what it frees."""
        jobs = 1 if size <= _SMALL else len(os.sched_getaffinity(0))
        for freed in spread(count, work, jobs):
            self.freed.total += freed

    def delete_views(self) -> None:
        """Delete views of invalid paths: views/LAYOUT/PATH, and views/PATH, which former versions made."""
        top = Path(self._root, "views")
        for directory in (top, *_directories(top)):
            for path in _directories(directory):
                try:
                    valid = self._database.info(base32.decode(parse(path.name).hash)) is not None
                except InvalidName:
                    valid = directory == top and any(path.iterdir())
                if not valid:
                    # Rename it first, so that no process uses a partly deleted view.
                    with contextlib.suppress(FileNotFoundError):
                        remove_tree(self._discard(path), self.freed.add)


def _hash(name: str) -> bytes:
    """Return the hash in the name of a store path's tree, or b"" for any other name."""
    try:
        return base32.decode(parse(name).hash)
    except InvalidName:
        return b""


def _directories(directory: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
