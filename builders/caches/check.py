"""Check a cache: that every path it names is there, and with `content`, that every byte is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobEntry, RepositoryError
from fpack.store.files.remove import remove_tree
from fpack.store.store import Store

from .cache import Cache
from .format.errors import BadContent
from .format.index import PACK_TYPE
from .format.records import DetachedFile, PathRecord
from .format.statements import SignedStatement
from .unpack import unpack

Progress = Callable[[int, int], None]


class CacheFault(NamedTuple):
    """A path that a cache cannot give. base: of the path, or "" for the cache or an index."""

    base: str
    what: str


class CacheCheck(NamedTuple):
    """The result of a check. blobs: those that are named. unsigned: statements whose signature is not valid."""

    paths: int
    blobs: int
    size: int
    statements: int
    trusted: int
    unsigned: int
    faults: tuple[CacheFault, ...]


def check(cache: Cache, store: Store | None = None, progress: Progress = lambda done, total: None) -> CacheCheck:
    """Check that the blobs of a cache exist. store: unpack every path in it, and verify its content."""
    cache.refresh()
    faults = [CacheFault("", f"the index {tag} is not valid") for tag in sorted(cache.invalid)]
    if not cache.indexes:
        faults.append(CacheFault("", "the cache has no index: nothing was pushed to this address"))
    records: list[PathRecord] = []
    bases = sorted({base for _, index in cache.indexes for base in index.paths})
    for base in bases:
        if (record := cache.record(base)) is not None:
            records.append(record)
        else:
            faults.append(CacheFault(base, "its record is not valid"))
    known = {record.path for record in records}
    for record in records:
        if missing := [path for path in record.references if path not in known]:
            faults.append(CacheFault(record.path.base, f"it references {missing[0].base}, which the cache lacks"))
    blobs = {digest: size for record in records for digest, size in record.blobs.items()}
    absent = {digest for digest in blobs if not cache.repository.has_blob(digest)}
    faults += [
        CacheFault(record.path.base, f"its blob {digest} is missing")
        for record in records
        for digest in record.blobs
        if digest in absent
    ]
    if store is not None:
        for number, record in enumerate(records):
            if not record.blobs.keys() & absent and (what := _content(cache, store, record)):
                faults.append(CacheFault(record.path.base, what))
            progress(number + 1, len(records))
    statements = {statement for _, index in cache.indexes for statement in index.statements}
    unsigned = sum(not _is_signed(statement) for statement in statements)
    return CacheCheck(
        len(records),
        len(blobs),
        sum(blobs.values()),
        len(statements),
        cache.trusted_statements,
        unsigned,
        tuple(faults),
    )


def _is_signed(statement: SignedStatement) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return statement.is_signed()
    except (UnsupportedAlgorithm, ValueError):
        return False


def _content(cache: Cache, store: Store, record: PathRecord) -> str:
    """Read and verify the tree of a record. Return what is wrong, or ""."""
    writer = store.writer()
    entry = BlobEntry(PACK_TYPE, record.blob_digest, record.blob_size)
    try:
        part = cache.repository.read_blob(entry, record.offset, record.length)
        unpack([(record, writer)], part, lambda file: _blob(cache, file))
    except (BadContent, RepositoryError) as error:
        return error.why or error.what
    finally:
        remove_tree(writer.disk)
    return ""


def _blob(cache: Cache, file: DetachedFile) -> AbstractContextManager[Iterable[bytes]]:
    return nullcontext(cache.repository.read_blob(BlobEntry(PACK_TYPE, file.blob_digest, file.size)))
