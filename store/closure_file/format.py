"""Define the format of closure files: one file that holds a closure of store paths, for import into another store.

A closure file is a plain first line, then blocks, then a length of zero. A block is a length and a zstd frame of BLOCK
bytes; the last frame may be shorter. The frames hold one stream: a header, each path with its tree, and a trailer with
the digest of everything before the trailer. `docs/formats.md` specifies the stream. A closure has exactly one stream.

A reader need not trust the file: the file holds no derivations, and each path is the hash of its content.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fpack.store import canonical
from fpack.store.errors import FpackError, InvalidName, NotCanonical
from fpack.store.path import StorePath, parse

FORMAT = 1
FIRST_LINE = b"fpack closure "
BLOCK = 4 << 20  # bytes of the stream in each frame
MAX_FRAME = BLOCK + (BLOCK >> 7) + 512  # more than zstd needs for incompressible data
LEVEL = 3
MAX_RECORD = 4 << 20  # bytes of a header or of a path's record
MAX_ENTRIES = 1 << 20  # entries of one tree
MAX_SIZE = (1 << 63) - 1  # the database holds sizes as signed numbers
DIGEST = 32
# The letters of entries.
FILE, PROGRAM, LINK, DIRECTORY, END = b"f", b"x", b"l", b"d", b"e"


class BadClosureFile(FpackError):
    """A file that is not a closure file, or a damaged one."""


class ClosureHeader(NamedTuple):
    """The head of the stream. roots: the paths that were exported. paths: number of paths. size: bytes of all files."""

    roots: tuple[StorePath, ...]
    paths: int
    size: int

    def encode(self) -> bytes:
        return canonical.encode({"roots": [p.base for p in self.roots], "paths": self.paths, "size": self.size})


class ClosureEntry(NamedTuple):
    """The record of a path, which precedes its tree.

    tree: the tree's digest. size: bytes of its files. references: other paths, sorted. output: the name of the
    derivation's output, needed to compute the path; set only if the tree mentions its own path.
    """

    path: StorePath
    tree: bytes
    size: int
    references: tuple[StorePath, ...]
    output: str = ""

    def encode(self) -> bytes:
        """Return the record's canonical encoding."""
        return canonical.encode(
            {
                "path": self.path.base,
                "tree": self.tree,
                "size": self.size,
                "references": [path.base for path in self.references],
                "output": self.output,
            }
        )


def decode_header(body: bytes) -> ClosureHeader:
    value = _record(body, roots=list, paths=int, size=int)
    roots = _paths(value["roots"])
    if not roots:
        raise BadClosureFile("A closure file names no path")
    return ClosureHeader(roots, _number(value["paths"]), _number(value["size"]))


def decode_entry(body: bytes) -> ClosureEntry:
    """Return the record of a path that `body` encodes."""
    value = _record(body, path=str, tree=bytes, size=int, references=list, output=str)
    if len(value["tree"]) != DIGEST:
        raise BadClosureFile("A closure file has a digest of a wrong length", where=value["path"])
    (path,) = _paths([value["path"]])
    references = _paths(value["references"])
    return ClosureEntry(path, value["tree"], _number(value["size"]), references, value["output"])


def encode_trailer(digest: bytes) -> bytes:
    """Return the encoding of the trailer. digest: the digest of all bytes of the stream before the trailer."""
    return canonical.encode({"digest": digest})


def _record(body: bytes, **types: type) -> Mapping[str, Any]:
    """Decode a record with exactly these fields. types: the class of each field's value."""
    try:
        value = canonical.decode(body)
    except NotCanonical as error:
        raise BadClosureFile("A closure file has a record that cannot be read", why=str(error)) from None
    if (
        not isinstance(value, dict)
        or value.keys() != types.keys()
        or any(value[name].__class__ is not kind for name, kind in types.items())
    ):
        raise BadClosureFile(f"A closure file has a record without the fields {', '.join(types)}")
    return value


def _number(value: int) -> int:
    if not 0 <= value <= MAX_SIZE:
        raise BadClosureFile("A closure file has a number that is out of range", why=str(value))
    return value


def _paths(texts: list[Any]) -> tuple[StorePath, ...]:
    """Parse base names, which must be sorted and distinct."""
    paths: list[StorePath] = []
    for text in texts:
        if text.__class__ is not str or (paths and paths[-1].base >= text):
            raise BadClosureFile("A closure file has a list of paths that is not sorted")
        try:
            path = parse(text)
        except InvalidName as error:
            raise BadClosureFile("A closure file has an invalid store path", why=str(error)) from None
        if path.base != text:
            raise BadClosureFile("A closure file has an invalid store path", why=text)
        paths.append(path)
    return tuple(paths)


def ordered(references: Mapping[StorePath, Collection[StorePath]]) -> list[StorePath]:
    """Return the keys of `references` in the order of a closure file: after their references, then by hash.

    Every reference is a key, and no path references itself. Raise BadClosureFile for a cycle.
    """
    users: dict[StorePath, list[StorePath]] = {path: [] for path in references}
    missing = {}
    for path, others in references.items():
        missing[path] = len(others)
        for other in others:
            users[other].append(path)
    ready = [path for path, count in missing.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        path = heapq.heappop(ready)
        order.append(path)
        for user in users[path]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, user)
    if len(order) < len(references):
        raise BadClosureFile("Paths reference each other in a circle")
    return order
