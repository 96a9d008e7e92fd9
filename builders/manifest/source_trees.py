"""Find the source trees that an image's own layers hold: these need not travel with the image.

A tree counts if one layer holds exactly its entries below one path. The writer of manifests leaves it out of the
artifact, and a rebuild reads it from the layer. Only layers with files of the project are searched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from blake3 import blake3
from fpack.store.derivation import Derivation
from fpack.store.files.tree import directory_digest, top_digest

from .format import DIRECTORY, FILE, Head, ManifestEntry, ManifestLayer

# A directory, or the letter and the digest of another entry, as in `store.files.tree.entry_digest`.
_Node: TypeAlias = "dict[bytes, _Node] | tuple[bytes, bytes]"


class SourceInLayer(NamedTuple):
    """A source in an image. layer: the layer's number. path: of the tree's top. executable: of a tree that is a file.

    The container may give a file another mode than the source has, so `executable` is the source's.
    """

    layer: int
    path: bytes
    executable: bool


def holders(head: Head, derivations: Mapping[str, Derivation]) -> set[str]:
    """Return the store paths with files of the project: sources themselves, and the container's own files."""
    found = set()
    for origin in head.paths:
        made = derivations.get(origin.derivation or "")
        if made is not None and made.kind in ("files", "source"):
            found.add(origin.path)
    return found


def find(
    layers: Iterable[tuple[ManifestLayer, Iterable[ManifestEntry]]], holders: Collection[str], trees: Collection[str]
) -> dict[str, SourceInLayer]:
    """Return the position of each tree that a layer holds. trees: digests in hexadecimal."""
    found: dict[str, SourceInLayer] = {}
    for number, (layer, entries) in enumerate(layers):
        if trees and any(path in holders for path, _ in layer.parts):
            for path, letter, digest in _digests(_tree(entries), b""):
                # The container decides whether a file is executable. Below a directory, the source does.
                for kind in (b"f", b"x") if letter in b"fx" else (letter,):
                    tree = top_digest(kind, digest).hex()
                    if tree in trees:
                        found.setdefault(tree, SourceInLayer(number, path, kind == b"x"))
    return found


def _tree(entries: Iterable[ManifestEntry]) -> dict[bytes, _Node]:
    top: dict[bytes, _Node] = {}
    for entry in entries:
        *parents, name = entry.path.split(b"/")
        directory: _Node | None = top
        for parent in parents:
            directory = directory.get(parent) if isinstance(directory, dict) else None
        if not isinstance(directory, dict) or not name:
            continue  # the root directory, or an entry without its directory, which no tree has
        if entry.kind == DIRECTORY:
            directory[name] = {}
        elif entry.kind == FILE:
            directory[name] = (b"x" if entry.mode & 0o100 else b"f", entry.blake3)
        else:
            directory[name] = (b"l", blake3(entry.target).digest())
    return top


def _digests(directory: dict[bytes, _Node], path: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield path, letter and digest of every entry below a directory, then of the directory unless it is the root."""
    rows = []
    for name, node in directory.items():
        below = path + b"/" + name if path else name
        if isinstance(node, dict):
            for row in _digests(node, below):
                yield row
            rows.append((name, *row[1:]))
        else:
            yield below, *node
            rows.append((name, *node))
    if path:
        yield path, b"d", directory_digest(rows)
