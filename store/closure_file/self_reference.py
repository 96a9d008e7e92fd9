"""Compute the path of a tree that mentions its own path.

A path is a hash of its tree, so a tree cannot be hashed while it contains that path. The path of such a tree is
computed from the tree with the build path in place of the path. The build path depends only on the names of the
derivation and of the output (`derivation.build_path`). A tree that also mentions its build path is refused, because two
different trees could then have the same path.
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
    """The hash of a path, and the hash of its build path."""

    def __init__(self, path: StorePath, output: str) -> None:
        name = path.name if output == "out" else path.name.removesuffix(f"-{output}")
        self.build_path = build_path(name, output)
        self._own = path.hash.encode()
        self._other = self.build_path.hash.encode()

    def replaced(self, text: bytes) -> bytes:
        """Return `text` with the path's hash replaced by the build path's hash."""
        if self._other in text:
            raise BadTree("A tree mentions the path at which it was built", where=str(self.build_path))
        return text.replace(self._own, self._other)

    def hasher(self) -> ReplacingHasher:
        """Return a hasher that replaces the path's hash in a file by the build path's hash."""
        return ReplacingHasher(self)


class ReplacingHasher:
    """A hasher that replaces a store hash in its input, also where the hash spans two pieces."""

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
    """Yield the names of outputs that can have the store name `name`, the likeliest first."""
    yield "out"
    at = len(name)
    while (at := name.rfind("-", 0, at)) > 0:
        if at + 1 < len(name):
            yield name[at + 1 :]


def own_output(path: StorePath, disk: str, references: list[StorePath]) -> str:
    """Find the output name from which the path of the tree at `disk` can be computed. Return "" if there is none.

    The tree is read once for each candidate name.
    """
    for output in outputs(path.name):
        try:
            name = OwnName(path, output)
            found = replaced_digest(scan(disk, read=_reader(name)), name)
        except BadTree:
            continue
        if make(path.name, found, sorted([*references, name.build_path])) == path:
            return output
    return ""


def replaced_digest(node: Node, name: OwnName) -> bytes:
    """Replace the hash in the symlinks of `node`, whose files `name.hasher` hashed, and return the tree's digest."""
    return tree_digest(_links(node, name))


def _links(node: Node, name: OwnName) -> Node:
    if isinstance(node, dict):
        return {entry: _links(below, name) for entry, below in node.items()}
    return name.replaced(node) if isinstance(node, bytes) else node


def _reader(name: OwnName) -> Callable[[bytes, os.stat_result], FileNode]:
    """Return a function that hashes a file as `tree.scan` needs it, with the path's hash replaced."""

    def read(path: bytes, status: os.stat_result) -> FileNode:
        hasher = name.hasher()
        size = 0
        for piece in chunks(path):
            hasher.update(piece)
            size += len(piece)
        return FileNode(hasher.digest(), size, bool(status.st_mode & 0o100))

    return read
