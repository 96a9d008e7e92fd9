"""Encode the store record of an image: what a pull needs to make the image's store paths again from its layers.

A push attaches the record to the image. It has what the layers and the exact manifest do not say of the store paths:
the file `image` of the image's output, the file `meta` (modes and owners) of each slice and root, the references of
built paths, and the files of slices that no layer has. A record proves nothing: every path is compared with its hash.
Payloads are not in it: they come from Debian's archive, and the record names the derivations that make them.

`fpack patch` links an image again from the tables, without the files. For this, a record also has the tables of the
slices that the resolution of the root read and did not need, the derivations of slices, and the digests of blobs.
"""

from __future__ import annotations

from collections.abc import Mapping

from fpack.light_typing import NamedTuple
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import FpackError, NotCanonical, malformation
from fpack.store.path import StorePath, parse

FORMAT = 1
ARTIFACT = "application/vnd.fpack.store.v1"
MAX_SIZE = 512 << 20  # unpacked
MAX_CONTENTS = 128 << 20  # bytes of all files that no layer has
MAX_PATHS = 100_000
MAX_VALUES = 1 << 20  # of the record
MAX_TABLE_VALUES = 1 << 21  # of a table
_LEVEL = 9  # of zstd
_WINDOW = 1 << 27  # bytes of memory that a hostile record can make zstd use


class RecordError(FpackError):
    """A record of store paths that cannot be read, or that does not fit its image."""


class StoredTable(NamedTuple):
    """An output whose tree is the directory `data` and the file `meta`, a table of modes and owners: a slice or a root.

    meta: the content of that file. references: of the path, sorted.
    """

    meta: bytes
    references: tuple[StorePath, ...] = ()


class StoreRecord(NamedTuple):
    """The store paths of an image.

    image: the path of the image's output. record: the content of its file `image`. tables: by path. built: the
    references of each built path. payloads: the digests of the derivations that make each payload that built paths
    reference. contents: the files that are in tables and not in layers, by BLAKE3.

    searched: the tables of slices that the image does not have, and that the resolution of its root read. makers: the
    digests of the derivations of each slice. blobs: the BLAKE3 of the blob of each layer's output. Records of earlier
    versions have none of these.
    """

    image: StorePath
    record: bytes
    tables: Mapping[StorePath, StoredTable]
    built: Mapping[StorePath, tuple[StorePath, ...]]
    payloads: Mapping[StorePath, tuple[bytes, ...]]
    contents: Mapping[bytes, bytes]
    searched: Mapping[StorePath, StoredTable] = {}
    makers: Mapping[StorePath, tuple[bytes, ...]] = {}
    blobs: Mapping[StorePath, bytes] = {}

    def encode(self) -> bytes:
        """Return the compressed form."""
        import zstandard

        body: dict[str, Value] = {
            "format": FORMAT,
            "image": self.image.base,
            "record": self.record,
            "tables": _rows(self.tables),
            "built": [[path.base, _bases(references)] for path, references in sorted(self.built.items())],
            "payloads": [[path.base, list(digests)] for path, digests in sorted(self.payloads.items())],
            "contents": [self.contents[digest] for digest in sorted(self.contents)],
            "searched": _rows(self.searched),
            "makers": [[path.base, list(digests)] for path, digests in sorted(self.makers.items())],
            "blobs": [[path.base, digest] for path, digest in sorted(self.blobs.items())],
        }
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
        return compressor.compress(canonical.encode(body))


def _rows(tables: Mapping[StorePath, StoredTable]) -> list[Value]:
    return [[path.base, table.meta, _bases(table.references)] for path, table in sorted(tables.items())]


def _bases(paths: tuple[StorePath, ...]) -> list[Value]:
    return [path.base for path in sorted(paths)]


def decode(data: bytes, where: str) -> StoreRecord:
    """Decode a record. where: for errors. Raise RecordError if it is malformed."""
    import zstandard
    from blake3 import blake3

    try:
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(data)
        body = reader.read(MAX_SIZE + 1)
        if len(body) > MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE} bytes")
        value = canonical.decode(body, MAX_VALUES)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            number = value.get("format") if isinstance(value, dict) else None
            raise ValueError(f"its format is {number!r:.40}, and this fpack reads {FORMAT}; update fpack")
        contents = [_bytes(item) for item in value["contents"]]
        found = StoreRecord(
            parse(value["image"]),
            _bytes(value["record"]),
            _tables(value["tables"]),
            {parse(base): _paths(references) for base, references in value["built"]},
            {parse(base): tuple(map(_bytes, digests)) for base, digests in value["payloads"]},
            {blake3(item).digest(): item for item in contents},
            _tables(value.get("searched", [])),
            {parse(base): tuple(map(_bytes, digests)) for base, digests in value.get("makers", [])},
            {parse(base): _bytes(digest) for base, digest in value.get("blobs", [])},
        )
    except (zstandard.ZstdError, NotCanonical, FpackError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = malformation(error)
        if isinstance(error, FpackError) and error.why:
            why = f"{error.what}: {error.why}"
        raise RecordError("The store record of the image cannot be read", where=where, why=why) from None
    groups = (found.tables, found.built, found.payloads, found.searched, found.makers, found.blobs)
    if sum(map(len, groups)) > MAX_PATHS:
        why = f"the limit is {MAX_PATHS}"
        raise RecordError("The store record of the image has too many paths", where=where, why=why)
    return found


def _tables(rows: list[list[Value]]) -> dict[StorePath, StoredTable]:
    return {parse(base): StoredTable(_bytes(meta), _paths(references)) for base, meta, references in rows}


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a field is not bytes")
    return value


def _paths(values: list[str]) -> tuple[StorePath, ...]:
    return tuple(map(parse, values))
