"""Compute the path of a tree that mentions its own path.

The path of such a tree is computed before the path is known: from the tree with the build path in its stead. The build
path depends only on the name of the derivation and of its output (`derivation.build_path`). A tree that also mentions
its build path is refused: two different trees could have one path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from blake3 import blake3
from fpack.store.derivation import build_path
from fpack.store.errors import BadTree
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node, chunks, scan, tree_digest
from fpack.store.path import HASH_CHARS, StorePath, make


class OwnName:
    """The hash of a path, and that of its build path."""

    def __init__(self, path: StorePath, output: str) -> None:
        name = path.name if output == "out" else path.name.removesuffix(f"-{output}")
        self.place = build_path(name, output)
        self._own = path.hash.encode()
        self._other = self.place.hash.encode()

    def replaced(self, text: bytes) -> bytes:
        """Return a text with the build path's hash for the path's."""
        if self._other in text:
            raise BadTree("A tree mentions the path at which it was built", where=str(self.place))
        return text.replace(self._own, self._other)

    def hasher(self) -> ReplacingHasher:
        """Return a hasher of a file's content with the build path's hash for the path's."""
        return ReplacingHasher(self)


class ReplacingHasher:
    """A hasher of a stream in which a hash is replaced, also if it spans two pieces."""

    def __init__(self, name: OwnName) -> None:
        self._name = name
        self._blake3 = blake3()
        self._held = b""

    def update(self, piece: bytes) -> None:
        """Hash the next piece."""
        text = self._name.replaced(self._held + piece)
        cut = max(len(text) - HASH_CHARS + 1, 0)
        self._blake3.update(text[:cut])
        self._held = text[cut:]

    def digest(self) -> bytes:
        """Return the digest of the whole stream."""
        self._blake3.update(self._held)
        self._held = b""
        return self._blake3.digest()


def outputs(name: str) -> Iterator[str]:
    """Yield the outputs whose store name `name` can be, the likeliest first."""
    yield "out"
    at = len(name)
    while (at := name.rfind("-", 0, at)) > 0:
        if at + 1 < len(name):
            yield name[at + 1 :]


def own_output(path: StorePath, disk: str, references: list[StorePath]) -> str:
    """Return the output by which the path of the tree at `disk` can be computed, or an empty string.

    The tree is read once for each output that it can be.
    """
    for output in outputs(path.name):
        try:
            name = OwnName(path, output)
            found = replaced_digest(scan(disk, read=_reader(name)), name)
        except BadTree:
            continue
        if make(path.name, found, sorted([*references, name.place])) == path:
            return output
    return ""


def replaced_digest(node: Node, name: OwnName) -> bytes:
    """Return the digest of a tree whose files are hashed by `name.hasher`, and its symlinks not yet replaced."""
    return tree_digest(_links(node, name))


def _links(node: Node, name: OwnName) -> Node:
    if isinstance(node, dict):
        return {entry: _links(below, name) for entry, below in node.items()}
    return name.replaced(node) if isinstance(node, bytes) else node


def _reader(name: OwnName) -> Callable[[bytes, os.stat_result], FileNode]:
    def read(path: bytes, status: os.stat_result) -> FileNode:
        hasher = name.hasher()
        size = 0
        for piece in chunks(path):
            hasher.update(piece)
            size += len(piece)
        return FileNode(hasher.digest(), size, bool(status.st_mode & 0o100))

    return read
