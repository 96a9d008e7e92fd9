"""Define the index of a cache: one blob that tells where paths are, and who says which derivation gives which path.

Registries have no compare-and-swap, so no tag is shared by writers. Each push has a tag of its own, whose name gives
the time, the size and the digest of its index: a reader lists the tags and fetches the indexes that it has not seen.
`docs/formats.md` specifies the encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fpack import light_hashes
from fpack.light_typing import NamedTuple
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.errors import NotCanonical, malformation
from fpack.store.path import HASH_CHARS

from .bounded import BoundedReader
from .errors import BadIndex
from .records import PathRecord, decode_record
from .statements import SignedStatement, check_statement

FORMATS = (1, 2)  # 2 adds `derivations`, and is written only if there are some
LEVEL = 9  # of zstd
MAX_BLOB = 64 << 20  # bytes of a compressed index
MAX_INDEX = 128 << 20  # bytes of an index
MAX_PATHS = 400_000  # of an index
MAX_BODIES = 1 << 20  # bytes of the derivations of one path
_MAX_STATEMENTS = 65_536
_SHORTEST = HASH_CHARS + 2  # characters of the name of a path
MAX_MAKERS = 16  # derivations of one path
MAX_INDEXES = 4096  # of one cache; a writer joins them when there are COMPACT_BEYOND
COMPACT_BEYOND = 64
PREFIX = "i-"
MEDIA_TYPE = "application/vnd.fpack.cache.index.v1+zstd"
ARTIFACT_TYPE = "application/vnd.fpack.cache.v1"
PACK = 16 << 20  # bytes of files in a blob that several paths share
PACK_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"
_TAG = re.compile(r"i-([0-9]{13})-([0-9a-f]{1,10})-([0-9a-f]{64})\Z")
_FIELDS = ("format", "paths", "statements", "subsumes", "time")  # in their order


class IndexTag(NamedTuple):
    """The name of an index. time: of the push, in milliseconds since 1970. size, digest: of the blob."""

    time: int
    size: int
    digest: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.time:013}-{self.size:x}-{self.digest}"


class Index(NamedTuple):
    """A decoded index.

    paths: encoded records by the base names of paths. subsumes: tags whose content it contains. derivations: encoded
    lists of the derivations that made paths, by base names.
    """

    time: int
    paths: Mapping[str, bytes]
    statements: tuple[SignedStatement, ...] = ()
    subsumes: tuple[str, ...] = ()
    derivations: Mapping[str, bytes] = {}

    def makers(self, base: str) -> list[bytes]:
        """Return the encoded derivations of which a path is said to be an output. Nothing of it is verified."""
        data = self.derivations.get(base)
        if data is None or len(data) > MAX_BODIES:
            return []
        try:
            reader = BoundedReader(data)
            found = [reader.scalar() for _ in range(reader.list(MAX_MAKERS))]
        except ValueError:
            return []
        return [body for body in found if isinstance(body, bytes)]

    def record(self, base: str) -> PathRecord | None:
        """Return the record of a path, or None. Raise BadIndex if the record is not valid."""
        data = self.paths.get(base)
        return decode_record(base, data) if data is not None else None

    def encode(self) -> bytes:
        """Return the blob."""
        import zstandard

        return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, write_checksum=True).compress(self.body())

    def body(self) -> bytes:
        """Return the encoding that the blob has compressed."""
        fields: dict[str, Value] = {
            "format": FORMATS[bool(self.derivations)],
            "time": self.time,
            "paths": dict(self.paths),
            "statements": [list(statement) for statement in sorted(set(self.statements))],
            "subsumes": sorted(set(self.subsumes)),
        }
        if self.derivations:
            fields["derivations"] = dict(self.derivations)
        return canonical.encode(fields)


def tag_of(index: Index, blob: bytes) -> IndexTag:
    """Return the tag of an encoded index."""
    return IndexTag(index.time, len(blob), light_hashes.sha256(blob).hexdigest())


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
        index = _read(BoundedReader(body))
        if index.body() != body:
            raise ValueError("it is not in its canonical form")
        return index
    except (zstandard.ZstdError, NotCanonical, ValueError, TypeError, KeyError, MemoryError) as error:
        why = str(error) if isinstance(error, NotCanonical) else malformation(error)
        raise BadIndex("An index of a cache is not valid", where=where, why=why[:200]) from None


def _read(reader: BoundedReader) -> Index:
    """Return a decoded index. Values that no index has are not built: an attacker's could fill the memory."""
    count = reader.map(len(_FIELDS) + 1)
    derivations: dict[str, bytes] = {}
    name = reader.scalar()
    if name == "derivations":
        derivations = _bytes_by_base(reader)
        count -= 1
        name = reader.scalar()
    if name != "format" or count != len(_FIELDS):
        raise ValueError("its fields are not those of an index")
    number = reader.scalar()
    if number.__class__ is not int or number not in FORMATS:
        raise ValueError(f"it has format {str(number)[:20]}; this fpack reads formats 1 and 2")
    _expect(reader, "paths")
    paths = _bytes_by_base(reader)
    _expect(reader, "statements")
    statements = []
    for _ in range(reader.list(_MAX_STATEMENTS)):
        fields = len(SignedStatement._fields)
        if reader.list(fields) != fields:
            raise ValueError("a statement has other fields")
        statements.append(check_statement([reader.scalar() for _ in range(fields)]))
    _expect(reader, "subsumes")
    subsumes = [reader.scalar() for _ in range(reader.list(MAX_INDEXES))]
    _expect(reader, "time")
    time = reader.scalar()
    reader.end()
    if time.__class__ is not int or not all(isinstance(tag, str) and parse_tag(tag) for tag in subsumes):
        raise ValueError("its fields have wrong types")
    return Index(time, paths, tuple(statements), tuple(subsumes), derivations)


def _expect(reader: BoundedReader, name: str) -> None:
    if reader.scalar() != name:
        raise ValueError("its fields are not those of an index")


def _bytes_by_base(reader: BoundedReader) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for _ in range(reader.map(MAX_PATHS)):
        base, data = reader.scalar(), reader.scalar()
        if base.__class__ is not str or len(base) < _SHORTEST or data.__class__ is not bytes:
            raise ValueError("its fields have wrong types")
        found[base] = data
    return found


def merged(indexes: Sequence[Index], time: int, subsumes: Iterable[str] = ()) -> Index:
    """Return one index with all that the indexes contain. Records of later indexes win."""
    paths: dict[str, bytes] = {}
    derivations: dict[str, bytes] = {}
    statements: set[SignedStatement] = set()
    for index in sorted(indexes, key=lambda index: index.time):
        paths.update(index.paths)
        derivations.update(index.derivations)
        statements.update(index.statements)
    return Index(time, paths, tuple(sorted(statements)), tuple(sorted(set(subsumes))), derivations)
