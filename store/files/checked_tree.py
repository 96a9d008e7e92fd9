"""Read files of valid store paths, and compare the content with the tree digest that the database records.

A disk can return other bytes than were written. So every file that goes into a layer, an archive or another output is
hashed in the pass that reads it. A tree's digest is a Merkle digest, so a single file can be compared if the digests of
the directory's other entries are known. A process computes these once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

from blake3 import blake3
from fpack.light_typing import BinaryIO, Generic, TypeVar
from fpack.store.errors import BadTree, DamagedPath, StoreError

from .pool import FileNode
from .regular_file import open_regular
from .tree import Node, entry_digest, pieces, scan, tree_digest

P = TypeVar("P", bound=Hashable)
Entries = dict[bytes, tuple[bytes, bytes]]  # name -> (kind of entry, digest), as `tree.entry_digest`
MAX_ENTRIES = 64  # the digests of larger directories' entries are not remembered: they would fill the memory
_EXECUTABLE = 0o100  # the bit of a mode that a tree records of a file: its owner may execute it


class CheckedTrees(Generic[P]):
    """The trees of a store, by store path.

    recorded: returns the tree digest of a path, or None if it is not valid. disk: returns its location.
    """

    def __init__(self, recorded: Callable[[P], bytes | None], disk: Callable[[P], Path]) -> None:
        self._recorded = recorded
        self._disk = disk
        self._known: dict[Hashable, Entries] = {}
        self._read: set[Hashable] = set()

    def registered(self, path: P, node: Node) -> None:
        """Remember the entries of a tree that this process wrote."""
        _remember(self._known, path, node)
        self._read.add(path)

    def written(self, path: P) -> None:
        """Remember that this process wrote a tree, whose entries are not at hand, and hashed it while it did."""
        self._read.add(path)

    def tree(self, path: P) -> CheckedTree:
        """Return a reader of a path."""
        return CheckedTree(path, self._disk(path), lambda: self._recorded(path), self._known, self._read)


class CheckedTree:
    """A reader of one store path. disk: its location. Methods raise DamagedPath if the content differs.

    recorded: returns the digest of the tree. known: the digests of top-level entries, by path. read: the paths whose
    whole trees were compared.
    """

    def __init__(
        self,
        path: Hashable,
        disk: Path,
        recorded: Callable[[], bytes | None],
        known: dict[Hashable, Entries],
        read: set[Hashable],
    ) -> None:
        self.path = path
        self.disk = disk
        self._recorded = recorded
        self._known = known
        self._read = read

    def read(self, name: str, most: int = 1 << 30) -> bytes:
        """Return the content of a file at the top of the tree. Raise StoreError if it has over `most` bytes."""
        with self._open(name) as file:
            status = os.fstat(file.fileno())
            if status.st_size > most:
                why = f"it has more than {most} bytes"
                raise StoreError("A file in the store is too large", where=str(self.disk / name), why=why)
            content = file.read(status.st_size + 1)
        node = FileNode(blake3(content).digest(), len(content), bool(status.st_mode & _EXECUTABLE))
        self.compare(name, node)
        return content

    def chunks(self, name: str, check: Callable[[], None] = lambda: None) -> Iterator[bytes]:
        """Yield the content of a top-level file, or of the tree itself for "". Compare it after the last piece.

        check: called after each piece is read.
        """
        hasher, size = blake3(), 0
        with self._open(name) as file:
            executable = bool(os.fstat(file.fileno()).st_mode & _EXECUTABLE)
            for chunk in pieces(file.fileno(), check):
                hasher.update(chunk)
                size += len(chunk)
                yield chunk
        self.compare(name, FileNode(hasher.digest(), size, executable))

    def copy(self, name: str, buffer: bytearray, write: Callable[[memoryview], None]) -> None:
        """Pass the content of a top-level file to `write`. Compare it after the last piece.

        Each piece is a part of `buffer`, and is valid during the call only: a new piece of memory each time would cost
        as much as the hashing.
        """
        hasher, size = blake3(), 0
        view = memoryview(buffer)
        with self._open(name) as file:
            executable = bool(os.fstat(file.fileno()).st_mode & _EXECUTABLE)
            while count := os.readv(file.fileno(), [buffer]):
                hasher.update(view[:count])
                size += count
                write(view[:count])
        self.compare(name, FileNode(hasher.digest(), size, executable))

    def _open(self, name: str) -> BinaryIO:
        """Open a top-level file. If it cannot be opened, raise DamagedPath if the tree is damaged, else StoreError."""
        try:
            return open_regular(self.disk / name if name else self.disk)
        except StoreError:
            self.node()
            raise

    def compare(self, name: str, node: Node) -> None:
        """Compare a top-level entry, read as `node`, with the recorded digest. name: "" if the tree is a file."""
        key = os.fsencode(name)
        known = self._known.get(self.path)
        if known is None:
            known = self._prove(key, node)
        if known.get(key) != entry_digest(node):
            raise self.damaged(name)

    def prove(self, node: Node) -> bool:
        """Return whether `node` is the recorded tree. If so, remember the digests of its entries."""
        if tree_digest(node) != self.recorded:
            return False
        _remember(self._known, self.path, node)
        return True

    def file_digest(self, name: str) -> bytes | None:
        """Return the BLAKE3 of a top-level file if it is known without reading the tree, else None."""
        kind, digest = self._known.get(self.path, {}).get(os.fsencode(name), (b"", b""))
        return digest if kind in (b"f", b"x") else None

    @property
    def proven(self) -> bool:
        """True if the digests of the top-level entries are known, so that one entry can be compared alone."""
        return self.path in self._known

    def node(self) -> Node:
        """Read and compare the whole tree, and return it."""
        try:
            node = scan(os.fspath(self.disk))
        except (BadTree, OSError) as error:
            raise self.damaged("", _reason(error)) from None
        if not self.prove(node):
            raise self.damaged("")
        self._read.add(self.path)
        return node

    def check(self) -> None:
        """Read and compare the whole tree, unless this process wrote it or compared it before."""
        if self.path not in self._read:
            self.node()

    def damaged(self, name: str, why: str = "") -> DamagedPath:
        """Return the error for a damaged file of the tree."""
        return DamagedPath(str(self.disk / name if name else self.disk), why)

    @property
    def recorded(self) -> bytes:
        """The digest of the tree in the database."""
        digest = self._recorded()
        if digest is None:
            raise StoreError(f"{self.path} is not in the store", hint="run the command again")
        return digest

    def _prove(self, key: bytes, node: Node) -> Entries:
        """Return the digests of the top-level entries. Entry `key` was read as `node`; read the others now."""
        if not key:
            found: Node = node
        else:
            found = {}
            try:
                for name in sorted(os.listdir(os.fsencode(self.disk))):
                    below = os.fsencode(self.disk) + b"/" + name
                    found[name] = node if name == key else scan(below, depth=1)
            except (BadTree, OSError) as error:
                raise self.damaged("", _reason(error)) from None
        if not self.prove(found):
            raise self.damaged(os.fsdecode(key))
        return _entries(found)


def _reason(error: BadTree | OSError) -> str:
    """Return an error's text without the path, which the caller gives itself."""
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


def _remember(known: dict[Hashable, Entries], path: Hashable, node: Node) -> None:
    """Add the digests of a tree's top-level entries to `known`, unless there are too many."""
    if not isinstance(node, dict) or len(node) <= MAX_ENTRIES:
        known[path] = _entries(node)


def _entries(node: Node) -> Entries:
    """Return the digests of a tree's top-level entries. A tree that is a file or symlink has one, named b""."""
    if not isinstance(node, dict):
        return {b"": entry_digest(node)}
    return {name: entry_digest(below) for name, below in node.items()}
