"""Divide the paths to fetch into ranges of blobs, each of which is read with one request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fpack.builders.distribution.protocol import BlobEntry
from fpack.light_typing import NamedTuple
from fpack.store.files.remove import remove_tree
from fpack.store.locks import build_lock

from .cache import Cache
from .format.index import PACK, PACK_TYPE
from .format.records import PathRecord
from .parallel_unpack import is_small
from .unpack_queue import MOST

_GAP = 64 << 10  # unwanted bytes between two wanted ranges that are read and dropped


class CachedPath(NamedTuple):
    """A store path with the cache to read it from. The record names the range of a blob that has the path's tree."""

    cache: Cache
    record: PathRecord


def runs(plan: Sequence[CachedPath]) -> Iterator[list[CachedPath]]:
    """Divide paths into runs, each to be read with one request: neighbours in a blob, or paths in a layer."""
    ordered = sorted(plan, key=lambda cached: (cached.cache.address, cached.record.blob, cached.record.offset))
    layers: dict[tuple[str, bytes, int, int, str], list[CachedPath]] = {}
    run: list[CachedPath] = []
    for cached in ordered:
        record = cached.record
        if record.is_layer:
            key = (cached.cache.address, record.blob, record.length, record.raw, record.codec)
            layers.setdefault(key, []).append(cached)
            continue
        if run:
            last = run[-1].record
            gap = cached.record.offset - last.offset - last.length
            is_next = cached.cache is run[-1].cache and cached.record.blob == last.blob and 0 <= gap <= _GAP
            size = cached.record.offset + cached.record.length - run[0].record.offset
            if not is_next or size > PACK:
                yield run
                run = []
        run.append(cached)
    if run:
        yield run
    yield from layers.values()


def together(runs: Iterable[list[CachedPath]]) -> Iterator[list[list[CachedPath]]]:
    """Group runs that one thread reads: those of a directory, which are there at once, up to a size."""
    group: list[list[CachedPath]] = []
    size = 0
    for run in runs:
        if not run[0].cache.is_here:
            yield [run]
            continue
        length = sum(cached.record.length for cached in run if is_small(cached.record))
        if group and size + length > MOST:
            yield group
            group, size = [], 0
        group.append(run)
        size += length
    if group:
        yield group


def content_of(cached: CachedPath, data: memoryview, start: int) -> list[bytes]:
    """Return the bytes of a path, in one piece. data: of its run, from offset `start` of the blob on."""
    at = cached.record.offset - start
    return [bytes(data[at : at + cached.record.length])]


def lengths(record: PathRecord) -> list[int]:
    return [record.length, *(file.size for file in record.files)]


def transfer(record: PathRecord) -> int:
    return sum(lengths(record))


def entry(record: PathRecord) -> BlobEntry:
    return BlobEntry(PACK_TYPE, record.blob_digest, record.blob_size)


@contextlib.contextmanager
def stored(root: Path, cache: Cache, entry: BlobEntry, offset: int, length: int) -> Iterator[Path]:
    """Yield a file with a large range, stored as it arrived. A file that an earlier command left is continued.

    root: of the store.
    """
    name = f"{entry.digest.removeprefix('sha256:')[:32]}-{offset:x}"
    directory = root / "partial" / name
    with build_lock(root, name):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = directory / "part"
        with open(file, "ab") as out:
            size = out.tell()
            if size > length:
                out.truncate(0)
                size = 0
            if size < length:
                for piece in cache.repository.read_blob(entry, offset + size, length - size):
                    out.write(piece)
        try:
            yield file
        finally:
            remove_tree(directory)  # it is used up, or wrong
