"""Describe where a cache has the tree of a store path.

Whoever can write to a cache can write any record. A record without `output` proves its tree digest and references by
the hash in its path; one with `output`, of a tree that mentions its own path, proves them when the tree is read.
"""

from __future__ import annotations

from typing import NamedTuple

from fpack.store import canonical
from fpack.store.errors import InvalidName, NotCanonical
from fpack.store.path import StorePath, make, parse

from .errors import BadIndex

ZSTD = "zstd"
CODECS = (ZSTD,)
DIGEST = 32
MAX_REFERENCES = 10_000
MAX_SIZE = (1 << 62) - 1
MOST_ADDED = 1 << 16  # bytes that a codec adds to a tar that cannot be compressed, beside a 128th
_MAX_OUTPUT = 200


class PathRecord(NamedTuple):
    """A store path in a blob.

    tree: digest of the tree. size: bytes of its files. references: other paths, sorted. output: the name of the
    derivation's output, set only if the tree mentions its own path. blob, blob_size: SHA-256 and size of the blob.
    offset, length: the part of the blob that has the tree. raw: size of that part's tar. prefix: the directory of the
    tree in the tar. codec: of the part. day: of the push, since 1970.
    """

    path: StorePath
    tree: bytes
    size: int
    references: tuple[StorePath, ...]
    output: str
    blob: bytes
    blob_size: int
    offset: int
    length: int
    raw: int
    prefix: str
    codec: str = ZSTD
    day: int = 0

    def encode(self) -> bytes:
        """Return the encoding, without the path."""
        return canonical.encode([self.tree, self.size, [path.base for path in self.references], *self[4:]])

    @property
    def blob_digest(self) -> str:
        """The blob's digest, as OCI writes it."""
        return f"sha256:{self.blob.hex()}"


def decode_record(base: str, data: bytes) -> PathRecord:
    """Return the record of a path. Raise BadIndex if it is not valid."""
    try:
        value = canonical.decode(data)
        tree, size, references, output, blob, blob_size, offset, length, raw, prefix, codec, day = value
        numbers = (size, blob_size, offset, length, raw, day)
        if (
            any(number.__class__ is not int or not 0 <= number <= MAX_SIZE for number in numbers)
            or any(digest.__class__ is not bytes or len(digest) != DIGEST for digest in (tree, blob))
            or any(text.__class__ is not str for text in (output, prefix, codec))
            or references.__class__ is not list
        ):
            raise ValueError("a field has a wrong type")
        # A part can be longer than its tar by what the codec adds, and no more: small tars are read in memory.
        if length > raw + raw // 128 + MOST_ADDED:
            raise ValueError("its part is larger than its tar")
        if offset + length > blob_size or not length or len(references) > MAX_REFERENCES or codec not in CODECS:
            raise ValueError("a field is out of range")
        path = _path(base)
        others = tuple(_path(text) for text in references)
        if list(others) != sorted(set(others)) or path in others:
            raise ValueError("its references are not sorted")
        if output and (len(output) > _MAX_OUTPUT or (output != "out" and not path.name.endswith(f"-{output}"))):
            raise ValueError("it is not the output of a derivation")
    except (NotCanonical, InvalidName, ValueError, TypeError) as error:
        raise BadIndex("A cache describes a store path wrongly", where=base[:100], why=str(error)[:200]) from None
    if not output and make(path.name, tree, list(others)) != path:
        raise BadIndex("A cache describes a store path wrongly", where=base, why="its content has another path")
    return PathRecord(path, tree, size, others, output, blob, blob_size, offset, length, raw, prefix, codec, day)


def _path(text: object) -> StorePath:
    if text.__class__ is not str:
        raise ValueError("a path is not a text")
    path = parse(str(text))
    if path.base != text:
        raise ValueError("a path is not a name")
    return path
