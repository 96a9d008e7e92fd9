"""Describe where a cache has the tree of a store path.

Whoever can write to a cache can write any record. A record without `output` proves its tree digest and references by
the hash in its path; one with `output`, of a tree that mentions its own path, proves them when the tree is read.
"""

from __future__ import annotations

from functools import lru_cache

from fpack.light_typing import NamedTuple
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import InvalidName, NotCanonical, malformation
from fpack.store.path import StorePath, make, parse

from .errors import BadIndex

ZSTD = "zstd"
# The codecs of whole layers of images, which may have other paths as well, and the compression of each.
LAYERS = {"layer": "", "layer+gzip": "gz", "layer+zstd": "zst"}
CODECS = (ZSTD, *LAYERS)
DIGEST = 32  # bytes
MAX_REFERENCES = 10_000
MAX_FILES = 16
MAX_SIZE = (1 << 62) - 1
MOST_ADDED = 1 << 16  # bytes that a codec adds to a tar that cannot be compressed, beside a 128th
_CLASSES = (bytes, int, list, str, bytes, int, int, int, int, str, str, int)  # of the fields of an encoded record
_MAX_OUTPUT = 200
_MAX_VALUES = MAX_REFERENCES + 4 * MAX_FILES + 20  # of an encoded record


class DetachedFile(NamedTuple):
    """A file at the top of a tree that is a blob of its own, such as the layer of an image. blob: SHA-256."""

    name: str
    blob: bytes
    size: int

    @property
    def blob_digest(self) -> str:
        """The blob's digest, as OCI writes it."""
        return f"sha256:{self.blob.hex()}"


class PathRecord(NamedTuple):
    """A store path in a blob.

    tree: digest of the tree. size: bytes of its files. references: other paths, sorted. output: the name of the
    derivation's output, set only if the tree mentions its own path. blob, blob_size: SHA-256 and size of the blob.
    offset, length: the part of the blob that has the tree. raw: size of that part's tar. prefix: the directory of the
    tree in the tar. codec: of the part. day: of the push, since 1970. files: those of the tree that are not in the tar.
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
    files: tuple[DetachedFile, ...] = ()

    def encode(self) -> bytes:
        """Return the encoding, without the path."""
        fields: list[Value] = [self.tree, self.size, [path.base for path in self.references], *self[4:13]]
        if self.files:
            fields.append([list(file) for file in self.files])
        return canonical.encode(fields)

    @property
    def blob_digest(self) -> str:
        """The blob's digest, as OCI writes it."""
        return f"sha256:{self.blob.hex()}"

    @property
    def blobs(self) -> dict[str, int]:
        """The sizes of all blobs that have the tree, by digest."""
        return {self.blob_digest: self.blob_size, **{file.blob_digest: file.size for file in self.files}}

    @property
    def is_layer(self) -> bool:
        """Return whether the part is a layer of an image."""
        return self.codec in LAYERS


def decode_record(base: str, data: bytes) -> PathRecord:
    """Return the record of a path. Raise BadIndex if it is not valid."""
    try:
        value = canonical.decode(data, _MAX_VALUES, is_flat=True)
        if len(value) < len(_CLASSES):
            raise ValueError("it has too few fields")
        tree, size, references, output, blob, blob_size, offset, length, raw, prefix, codec, day, *more = value
        # An index has thousands of records, so this compares all classes at once.
        if (
            tuple(map(type, value[: len(_CLASSES)])) != _CLASSES
            or not len(tree) == len(blob) == DIGEST
            or min(size, blob_size, offset, length, raw, day) < 0
            or max(size, blob_size, offset, length, raw, day) > MAX_SIZE
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
        files = _files(more)
        if output and (len(output) > _MAX_OUTPUT or (output != "out" and not path.name.endswith(f"-{output}"))):
            raise ValueError("it is not the output of a derivation")
    except (NotCanonical, InvalidName, ValueError, TypeError) as error:
        why = str(error) if isinstance(error, NotCanonical) else malformation(error)
        raise BadIndex("A cache describes a store path wrongly", where=base[:100], why=why[:200]) from None
    if not output and make(path.name, tree, list(others)) != path:
        raise BadIndex("A cache describes a store path wrongly", where=base, why="its content has another path")
    return PathRecord(path, tree, size, others, output, blob, blob_size, offset, length, raw, prefix, codec, day, files)


def _files(more: list[object]) -> tuple[DetachedFile, ...]:
    """Return the detached files of a record."""
    if not more:
        return ()
    (rows,) = more
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_FILES:
        raise ValueError("it has too many files")
    files = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(DetachedFile._fields):
            raise ValueError("a file has other fields")
        name, blob, size = row
        if name.__class__ is not str or blob.__class__ is not bytes or len(blob) != DIGEST or size.__class__ is not int:
            raise ValueError("a file has fields of wrong types")
        if not 0 <= size <= MAX_SIZE or name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ValueError("a file has fields out of range")
        files.append(DetachedFile(name, blob, size))
    if len({file.name for file in files}) < len(files):
        raise ValueError("a file occurs twice")
    return tuple(files)


@lru_cache(1 << 14)  # most paths are named by several records
def _path(text: object) -> StorePath:
    if text.__class__ is not str:
        raise ValueError("a path is not a text")
    path = parse(str(text))
    if path.base != text:
        raise ValueError("a path is not a name")
    return path
