"""Add the files of fetched trees to the pool after the command that fetched them has ended.

A second name for each new file takes a third of the time of a fetch. So these files get their names in the pool from
the process that syncs them (`deferred_sync`), before it says that the session is synced. If it is killed, the next
process that opens the store reads these trees in any case, and adds their files. Until then equal files of two trees
can be two inodes, and nothing else is different. Contents that the pool had before are linked at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fpack.light_typing import TypeAlias
from fpack.store import canonical
from fpack.store.files.placement import make_final
from fpack.store.files.pool import FileNode, Pool
from fpack.store.files.tree import Node

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALL = 1 << 16  # bytes of a file that is faster to write than to look for, if the pool has few of the last files
_MISSES, _EACH = 32, 8  # after so many contents in turn that the pool lacks, it is asked for one of each so many
_MOST = 100_000  # new contents that a process remembers

NamedFiles: TypeAlias = Sequence[tuple[bytes, FileNode]]  # the names and nodes of files of one directory


class UnnamedFiles(Pool):
    """A pool that new files are not added to, but noted. For one thread, and for trees that are made in `directory`.

    The names of the trees there must be those that they will have in the store.
    """

    def __init__(self, root: Path | str, names: int, directory: Path) -> None:
        super().__init__(root)
        self._directory, self._prefix = names, ""
        self._skip = len(os.fspath(directory)) + 1
        self._misses = 0 if os.listdir(root) else -1  # -1: the pool was empty
        self._made: dict[FileNode, tuple[str, bytes]] = {}
        self._noted: list[tuple[str, NamedFiles]] = []

    def link_known(self, node: FileNode, target: str | bytes, directory: int | None = None) -> bool:
        """Link a file that this process has made, or that the pool has."""
        if (made := self._made.get(node)) is not None:
            with contextlib.suppress(OSError):  # its tree has been moved, or it has too many links
                os.link(os.fsencode(made[0]) + b"/" + made[1], target, dst_dir_fd=directory)
                return True
        misses = self._misses
        if misses < 0 or (misses > _MISSES and misses % _EACH and node.size <= _SMALL):
            self._misses += misses >= 0
            return False
        found = self.link(node, target, directory)
        self._misses = 0 if found else misses + 1
        return found

    def adopt(self, node: FileNode, source: str | bytes, directory: int | None = None, aside: str = "") -> None:
        """Note a file whose whole path is given, or add it at once if it is a whole tree."""
        parent, _, name = os.fsencode(source).rpartition(b"/")
        if len(parent) < self._skip:
            super().adopt(node, source, directory, aside)
        else:
            self.adopt_all(os.fsdecode(parent), [(name, node)], -1)

    def adopt_all(self, path: str, files: NamedFiles, directory: int) -> None:
        """Note files of one directory."""
        if files:
            self._noted.append((path[self._skip :], files))
            if len(self._made) < _MOST:
                self._made.update([(entry[1], (path, entry[0])) for entry in files])

    def taken(self) -> bytes:
        """Return what was noted, for `add`, and forget it."""
        noted, self._noted = self._noted, []
        return canonical.encode_ordered(noted) if noted else b""


def add(store: Path, pool: Pool, noted: Iterable[bytes]) -> None:
    """Add files of valid trees to the pool, or replace them by links to the pool's files. store: the store's root."""
    with pool.held_open() as held:
        for data in noted:
            for directory, files in canonical.peek(data):
                _add(store, held, directory, [(name, FileNode(*node)) for name, node in files])


def add_tree(store: Path, pool: Pool, base: str, node: Node) -> None:
    """Add all files of a valid tree, except one that is a single file. base: its name in the store.

    A process that was killed while it replaced a file has left a directory writable.
    """
    with pool.held_open() as held:
        for directory, files in _directories(base, node):
            _add(store, held, directory, files)
            make_final(store / "store" / directory)


def _directories(path: str, node: Node) -> Iterator[tuple[str, NamedFiles]]:
    if isinstance(node, dict):
        yield path, [(name, below) for name, below in node.items() if isinstance(below, FileNode)]
        for name, below in node.items():
            yield from _directories(f"{path}/{os.fsdecode(name)}", below)


def _add(store: Path, held: Pool, directory: str, files: NamedFiles) -> None:
    with contextlib.suppress(FileNotFoundError):  # gc has deleted the tree
        at = os.open(f"{store}/store/{directory}", _OPEN)
        try:
            for name, node in files:
                held.adopt(node, name, at, f"{store}/trash/{os.urandom(8).hex()}")
        finally:
            os.close(at)
