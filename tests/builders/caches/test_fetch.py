"""Fetching: how many requests, what continues, and what references itself."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fpack.builders.attest.keys import PrivateKey
from fpack.builders.caches import fetch, packs, parallel_unpack
from fpack.builders.caches.cache import now
from fpack.builders.caches.cache_set import CacheSet
from fpack.builders.caches.format.errors import CacheError
from fpack.builders.caches.format.index import Index
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, Unavailable
from fpack.store.derivation import Output, build_path
from fpack.store.files import checked_tree
from fpack.store.path import StorePath, make
from support.servers.bucket import BucketServer
from support.servers.registry import Registry, open_registry
from support.stores.caches import KEY, Graph, Machine, machine


class Counting(DirectoryRepository):
    """A repository that counts reads, and breaks off after some bytes."""

    lists = 0
    reads: list[tuple[int, int | None]]
    most = 1 << 40

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads = []

    def tags(self, prefix: str = "") -> list[str]:
        self.lists += 1
        return super().tags(prefix)

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append((offset, length))
        for piece in super().read_blob(entry, offset, length):
            if length is not None:
                self.most -= len(piece)
                if self.most < 0:
                    yield piece[: self.most]
                    raise Unavailable("The connection broke", where="test")
            yield piece


@pytest.mark.parametrize("count", [3, 100])
def test_a_tree_that_was_verified_when_it_was_fetched_is_not_read_again(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Of few paths, or of many that several processes unpack."""
    graph = Graph()
    outputs = [graph.add(f"p{number}") for number in range(count)]
    built = producer.build(graph, *outputs)
    producer.push(built)
    read: list[str] = []
    with machine(tmp_path / "reader") as reader:
        assert reader.build(graph, *outputs) == built and reader.builder.built == []
        scan = checked_tree.scan
        monkeypatch.setattr(checked_tree, "scan", lambda disk, *more: read.append(disk) or scan(disk, *more))
        for path in built:
            reader.store.tree(path).check()
    assert read == []


def test_a_closure_of_many_paths_needs_few_requests(producer: Machine, tmp_path: Path) -> None:
    graph = Graph()
    outputs = [graph.add("p0")]
    for number in range(1, 300):
        outputs.append(graph.add(f"p{number}", "", [outputs[number - 1], outputs[number // 2]]))
    built = producer.build(graph, outputs[-1])
    producer.push(built)
    counting = Counting(tmp_path / "cache")
    with machine(tmp_path / "reader", counting) as reader:
        assert reader.build(graph, outputs[-1]) == built
        assert counting.lists == 1
        assert len(counting.reads) == 2  # the index and one pack


def test_each_path_that_this_machine_cannot_write_has_the_error_of_the_disk(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph()
    built = producer.build(graph, *(graph.add(f"p{number}") for number in range(3)))
    producer.push(built)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(parallel_unpack, "unpack_all", read_only)
    monkeypatch.setattr(fetch.Fetcher, "_receive", read_only)
    with machine(tmp_path / "reader") as reader:
        reader.cache.refresh()
        fetcher = fetch.Fetcher(reader.store, CacheSet([reader.cache], reader.warnings.append))
        for path in built:
            with pytest.raises(OSError, match="Read-only"):
                fetcher.fetch([path] if path in fetcher._contents else built)
        fetcher.close()


@pytest.mark.parametrize("processors", [1, 2])
def test_paths_of_many_small_blobs_are_unpacked_together(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    """A machine that pushes while it builds makes many blobs of few paths."""
    monkeypatch.setattr(packs, "MAX_IN_PACK", 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))
    monkeypatch.setattr(fetch, "WORKERS", 60)
    graph = Graph()
    outputs = [graph.add(f"p{number}") for number in range(200)]
    built = producer.build(graph, *outputs)
    producer.push(built)
    calls: list[int] = []
    unpack_all, enough = parallel_unpack.unpack_all, threading.Barrier(50)

    def counted(parts: Sequence[parallel_unpack.Part], *rest: object) -> object:
        calls.append(len(parts))
        return unpack_all(parts, *rest)  # type: ignore[arg-type]

    class Together(DirectoryRepository):
        """A repository whose blobs all arrive at the same time."""

        def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            pieces = list(super().read_blob(entry, offset, length))
            if length is not None:
                enough.wait(60)
            yield from pieces

    monkeypatch.setattr(parallel_unpack, "unpack_all", counted)
    with machine(tmp_path / "reader", Together(tmp_path / "cache")) as reader:
        reader.cache.refresh()
        fetcher = fetch.Fetcher(reader.store, CacheSet([reader.cache], reader.warnings.append))
        assert sorted(fetcher.fetch(built)) == sorted(built)
        fetcher.close()
        for path in built:
            reader.store.tree(path).check()
    assert sum(calls) == 200 and len(calls) < 25  # of 50 blobs


@pytest.mark.parametrize("is_damaged", [False, True])
def test_large_paths_of_a_directory_are_read_by_the_processes_that_unpack_them(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    graph = Graph()
    outputs = [graph.add(f"p{number}", random.Random(number).randbytes(3 << 20).hex()) for number in range(3)]
    built = producer.build(graph, *outputs)
    producer.push(built)
    spread, calls = parallel_unpack.parallel.spread, []

    def counted(count: int, *rest: object, **options: object) -> object:
        calls.append(count)
        return spread(count, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(parallel_unpack.parallel, "spread", counted)
    with machine(tmp_path / "reader") as reader:
        reader.cache.refresh()
        if is_damaged:
            record = reader.cache.record(built[1].base)
            assert record is not None
            with open(tmp_path / "cache" / "blobs" / "sha256" / record.blob.hex(), "r+b") as blob:
                blob.seek(record.offset + record.length // 2)
                blob.write(bytes(100))
        fetcher = fetch.Fetcher(reader.store, CacheSet([reader.cache], reader.warnings.append), reader.warnings.append)
        if is_damaged:
            with pytest.raises(CacheError, match="wrong content"):
                fetcher.fetch(built)
            assert any("gave wrong content" in text for text in reader.warnings)
        else:
            assert sorted(fetcher.fetch(built)) == sorted(built)
            for path in built:
                reader.store.tree(path).check()
        fetcher.close()
        assert reader.store.info(built[1]) is None or not is_damaged
    assert calls == [3]


def test_paths_are_valid_before_the_rest_of_a_closure_is_read(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what a slow cache sends first is synced while the rest arrives."""
    monkeypatch.setattr(packs, "MAX_IN_PACK", 1)
    monkeypatch.setattr(fetch, "_EARLY", 1)
    graph = Graph()
    below = graph.add("below")
    top = graph.add("top", "", [below])
    built = producer.build(graph, top)
    (first,) = producer.build(graph, below)
    producer.push(built)
    seen: list[bool] = []

    class Waiting(DirectoryRepository):
        """A repository that gives the last path when the first one is valid, or after a minute."""

        def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            record = reader.cache.record(built[0].base) if length is not None else None
            if record is not None and entry.digest == record.blob_digest:
                end = time.monotonic() + 60
                while reader.store.info(first) is None and time.monotonic() < end:
                    time.sleep(0.01)
                seen.append(reader.store.info(first) is not None)
            yield from super().read_blob(entry, offset, length)

    with machine(tmp_path / "reader", Waiting(tmp_path / "cache")) as reader:
        assert reader.build(graph, top) == built
    assert seen == [True]


KILLED = """
import os, signal, sys
from pathlib import Path
from fpack.builders.caches import fetch
from fpack.store.store import Store
from support.stores.caches import Graph, machine
fetch._EARLY, fetch._BATCH = 2, 3
register, calls = Store.register_all, []
def killing(*given, **options):
    done = register(*given, **options)
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
Store.register_all = killing
graph, below = Graph(), []
for number in range(20):
    below.append(graph.add(f"p{number}", "", below[-2:]))
with machine(Path(sys.argv[1]) / "reader") as reader:
    reader.build(graph, below[-1])
"""


def test_a_fetch_that_is_killed_after_it_registered_some_paths_leaves_whole_closures(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MAX_IN_PACK", 1)
    graph = Graph()
    outputs: list[Output] = []
    for number in range(20):
        outputs.append(graph.add(f"p{number}", "", outputs[-2:]))
    built = producer.build(graph, *outputs)
    producer.push(built)
    words = [sys.executable, "-c", KILLED, tmp_path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run(words, env=env, check=False).returncode == -signal.SIGKILL
    with machine(tmp_path / "reader") as reader:
        valid = [path for path in built if reader.store.info(path) is not None]
        assert 0 < len(valid) < len(built)
        for path in valid:
            assert all(map(reader.store.is_there, reader.store.closure([path])))
            assert (reader.store.disk(path) / "text").read_bytes() == (producer.store.disk(path) / "text").read_bytes()
        assert reader.build(graph, *outputs) == built and reader.builder.built == []


def test_a_large_path_continues(producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LARGE", 1 << 20)
    graph = Graph()
    text = random.Random(1).randbytes(3 << 20).hex()
    top = graph.add("top", text)
    built = producer.build(graph, top)
    producer.push(built)
    breaking = Counting(tmp_path / "cache")
    breaking.most = 2 << 20
    with machine(tmp_path / "reader", breaking) as reader:
        # The first attempt stores what arrived, and builds.
        reader.cache.refresh()
        substituter = fetch.Fetcher(reader.store, CacheSet([reader.cache], reader.warnings.append))
        with pytest.raises(Unavailable):
            substituter.fetch(built)
        substituter.close()
        (part,) = (reader.place / "store" / "partial").glob("*/part")
        size = part.stat().st_size
        assert size > 1 << 20
        again = Counting(tmp_path / "cache")
        reader.cache.memory.forget()
        reader.open(again)
        assert reader.build(graph, top) == built
        assert reader.builder.built == []
        assert again.reads[-1][0] == size
        assert not part.exists()


@pytest.mark.parametrize("key", [None, KEY])
def test_a_tree_that_mentions_its_own_path(producer: Machine, tmp_path: Path, key: PrivateKey | None) -> None:
    """key: of the reference, which is fetched after its mention is verified if no trusted signer names it."""
    (other,) = producer.build(graph := Graph(), graph.add("other"))
    path = own_path(producer, other)
    producer.push([other], key)
    producer.push([path], None)
    with machine(tmp_path / "reader") as reader:
        reader.cache.refresh()
        fetcher = fetch.Fetcher(reader.store, CacheSet([reader.cache], reader.warnings.append))
        assert fetcher.fetch([path]) == [other, path]
        fetcher.close()
        assert reader.store.tree(path).read("self", 1000) == str(path).encode()


def test_references_that_only_a_hostile_cache_names_are_not_registered(producer: Machine, tmp_path: Path) -> None:
    """The bytes come from an honest cache after the hostile one's were refused: they prove the honest record only."""
    path = own_path(producer)
    (other,) = producer.build(graph := Graph(), graph.add("other"))
    producer.push([path, other], None)
    producer.cache.refresh()
    right = producer.cache.record(path.base)
    theirs = producer.cache.record(other.base)
    assert right is not None
    assert theirs is not None
    hostile = producer.open(DirectoryRepository(tmp_path / "hostile"), "test:hostile")
    shutil.copytree(tmp_path / "cache", tmp_path / "hostile")
    time.sleep(0.002)
    wrong = right._replace(references=(other,), blob=theirs.blob, blob_size=theirs.blob_size, offset=theirs.offset,
        length=theirs.length, raw=theirs.raw, prefix=theirs.prefix)  # fmt: skip
    hostile.publish(Index(now(), {path.base: wrong.encode()}))
    with machine(tmp_path / "reader") as reader:
        caches = [reader.open(DirectoryRepository(tmp_path / name), f"test:{name}") for name in ("hostile", "cache")]
        for cache in caches:
            cache.refresh()
        fetcher = fetch.Fetcher(reader.store, CacheSet(caches, reader.warnings.append))
        with pytest.raises(CacheError):
            fetcher.fetch([path])
        fetcher.close()
        assert reader.store.info(path) is None


def own_path(made: Machine, *references: StorePath) -> StorePath:
    """Register a tree that has its own path in a file, as builds do."""
    before = build_path("selfish", "out")
    writer = made.store.writer()
    writer.file("self", [str(before).encode()])
    path = make("selfish", writer.finish(), sorted([*references, before]))
    final = made.store.writer()
    final.file("self", [str(path).encode()])
    from fpack.store.sessions.registration import FinishedOutput

    output = Output(b"x" * 20)
    made.store.register_all(b"k" * 20, [FinishedOutput("selfish", final, references, output, path)])
    return path


def test_a_registry_and_a_bucket_are_caches(tmp_path: Path) -> None:
    graph = Graph()
    outputs = [graph.add("p0")]
    for number in range(1, 60):
        outputs.append(graph.add(f"p{number}", "", [outputs[number - 1]]))
    with Registry() as server, BucketServer() as buckets:
        for number, (repository, requests) in enumerate(
            (
                (open_registry(server), server.requests),
                (open_repository("s3://bucket/p", environ=buckets.environ), buckets.requests),
            )
        ):
            with machine(tmp_path / f"producer{number}", repository) as producer:
                built = producer.build(graph, outputs[-1])
                producer.push(built)
            before = len(requests)
            with machine(tmp_path / f"reader{number}", repository) as reader:
                assert reader.build(graph, outputs[-1]) == built
                assert reader.builder.built == []
            assert len(requests) - before <= 4
