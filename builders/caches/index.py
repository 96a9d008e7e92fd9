"""Define the index of a cache: one blob that tells where paths are, and who says which derivation gives which path.

Registries have no compare-and-swap, so no tag is shared by writers. Each push has a tag of its own, whose name gives
the time, the size and the digest of its index: a reader lists the tags and fetches the indexes that it has not seen.
`docs/formats.md` specifies the encoding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.store import canonical
from fpack.store.errors import NotCanonical

from .errors import BadIndex
from .records import PathRecord, decode_record
from .statements import SignedStatement, check_statement

FORMAT = 1
LEVEL = 9
MAX_BLOB = 64 << 20  # bytes of a compressed index
MAX_INDEX = 512 << 20  # bytes of an index
MAX_INDEXES = 4096  # of one cache; a writer joins them when there are COMPACT_BEYOND
COMPACT_BEYOND = 64
PREFIX = "i-"
MEDIA_TYPE = "application/vnd.fpack.cache.index.v1+zstd"
ARTIFACT_TYPE = "application/vnd.fpack.cache.v1"
PACK_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"
_TAG = re.compile(r"i-([0-9]{13})-([0-9a-f]{1,10})-([0-9a-f]{64})\Z")
_FIELDS = {"format", "time", "paths", "statements", "subsumes"}


class IndexTag(NamedTuple):
    """The name of an index. time: of the push, in milliseconds since 1970. size, digest: of the blob."""

    time: int
    size: int
    digest: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.time:013}-{self.size:x}-{self.digest}"


class Index(NamedTuple):
    """A decoded index. paths: encoded records by the base names of paths. subsumes: tags whose content it contains."""

    time: int
    paths: Mapping[str, bytes]
    statements: tuple[SignedStatement, ...] = ()
    subsumes: tuple[str, ...] = ()

    def record(self, base: str) -> PathRecord | None:
        """Return the record of a path, or None. Raise BadIndex if the record is not valid."""
        data = self.paths.get(base)
        return decode_record(base, data) if data is not None else None

    def encode(self) -> bytes:
        """Return the blob."""
        import zstandard

        body = canonical.encode(
            {
                "format": FORMAT,
                "time": self.time,
                "paths": dict(self.paths),
                "statements": [list(statement) for statement in sorted(set(self.statements))],
                "subsumes": sorted(set(self.subsumes)),
            }
        )
        return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, write_checksum=True).compress(body)


def tag_of(index: Index, blob: bytes) -> IndexTag:
    """Return the tag of an encoded index."""
    return IndexTag(index.time, len(blob), hashlib.sha256(blob).hexdigest())


def parse_tag(tag: str) -> IndexTag | None:
    """Return the parts of a tag, or None if it does not name an index."""
    found = _TAG.match(tag)
    if found is None:
        return None
    parsed = IndexTag(int(found[1]), int(found[2], 16), found[3])
    return parsed if str(parsed) == tag and 0 < parsed.size <= MAX_BLOB else None


def decoded_size(blob: bytes, where: str) -> int:
    """Return the size that an index declares. Raise BadIndex if it declares none, or more than MAX_INDEX."""
    import zstandard

    try:
        size: int = zstandard.get_frame_parameters(blob).content_size
    except zstandard.ZstdError as error:
        raise BadIndex("An index of a cache is not valid", where=where, why=str(error)[:200]) from None
    if not 0 < size <= MAX_INDEX:
        why = f"it declares {size} bytes; the limit is {MAX_INDEX}"
        raise BadIndex("An index of a cache is not valid", where=where, why=why)
    return size


def decode(blob: bytes, where: str) -> Index:
    """Return the index of a blob. Raise BadIndex if it is not valid, or larger than MAX_INDEX."""
    import zstandard

    size = decoded_size(blob, where)
    try:
        body = zstandard.ZstdDecompressor().decompress(blob, max_output_size=size, allow_extra_data=False)
        value = canonical.decode(body)
        if not isinstance(value, dict):
            raise ValueError("it is not a record")
        if value.get("format") != FORMAT:
            raise ValueError(f"it has format {str(value.get('format'))[:20]}; this fpack reads format {FORMAT}")
        time, paths, statements, subsumes = (value[name] for name in ("time", "paths", "statements", "subsumes"))
        if (
            value.keys() != _FIELDS
            or time.__class__ is not int
            or not isinstance(paths, dict)
            or not all(data.__class__ is bytes for data in paths.values())
            or not isinstance(statements, list)
            or not isinstance(subsumes, list)
            or not all(isinstance(tag, str) and parse_tag(tag) for tag in subsumes)
        ):
            raise ValueError("its fields have wrong types")
        return Index(time, paths, tuple(map(check_statement, statements)), tuple(subsumes))
    except (zstandard.ZstdError, NotCanonical, ValueError, TypeError, KeyError, MemoryError) as error:
        raise BadIndex("An index of a cache is not valid", where=where, why=str(error)[:200]) from None


def merged(indexes: Sequence[Index], time: int, subsumes: Iterable[str] = ()) -> Index:
    """Return one index with all that the indexes contain. Records of later indexes win."""
    paths: dict[str, bytes] = {}
    statements: set[SignedStatement] = set()
    for index in sorted(indexes, key=lambda index: index.time):
        paths.update(index.paths)
        statements.update(index.statements)
    return Index(time, paths, tuple(sorted(statements)), tuple(sorted(set(subsumes))))
