"""Attacks by records that claim what a store path references: nothing is fetched on the word of a cache alone."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.caches.test_attacks_caches import compress, record_of, tar_of
from fpack.builders.caches.cache import now
from fpack.builders.caches.format.index import Index
from fpack.builders.caches.format.records import PathRecord
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, BlobSource
from fpack.store.path import make
from support.servers.repositories import digest_of
from support.stores.caches import Graph, Machine, machine

MANY, LARGE = 40, 1 << 20


class Watching(DirectoryRepository):
    """A repository that notes the digests of the blobs that are read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read: set[str] = set()

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.read.add(entry.digest)
        yield from super().read_blob(entry, offset, length)


@pytest.mark.parametrize("nested", [False, True])
def test_references_that_only_a_cache_names_are_not_fetched(
    producer: Machine, tmp_path: Path, graph: Graph, nested: bool
) -> None:
    """Some kilobytes that unpack to as much as the disk has room for.

    nested: the forged references are those of a path that an honest record references.
    """
    low = graph.add("low")
    top = graph.add("top", "", [low]) if nested else low
    built = producer.build(graph, top, low)
    producer.push(built)
    right = record_of(producer, built[-1])
    blob, rows = b"", []
    for number in range(MANY):
        writer = producer.store.writer()
        content = bytes([number]) * LARGE
        writer.file("large", [content])
        tree = writer.finish(top=False)
        tar = tar_of(("x", tarfile.DIRTYPE, ""), ("x/large", tarfile.REGTYPE, content.decode()))
        data = compress(tar)
        rows.append((make(f"junk{number}", tree, []), tree, len(blob), len(data), len(tar)))
        blob += data
    assert len(blob) * 100 < MANY * LARGE
    entry = BlobEntry("", digest_of(blob), len(blob))
    producer.cache.repository.write_blob(BlobSource(entry.digest, entry.size, lambda at: iter((blob[at:],))))
    records = {
        path.base: PathRecord(
            path, tree, LARGE, (), "", bytes.fromhex(entry.digest[7:]), entry.size, at, length, raw, "x"
        ).encode()
        for path, tree, at, length, raw in rows
    }
    forged = right._replace(output="out", references=tuple(sorted(row[0] for row in rows)))
    time.sleep(0.002)
    producer.cache.publish(Index(now(), {**records, forged.path.base: forged.encode()}))
    repository = Watching(tmp_path / "cache")
    with machine(tmp_path / "victim", repository) as victim:
        assert victim.build(graph, top, low) == built
        assert victim.builder.built
        assert entry.digest not in repository.read
        assert len(victim.store.database.paths()) == len(set(built))
