"""Collecting a cache: by last use, with references, and never an image's blobs."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.builders.caches import deletion_mark, gc, uses
from fpack.builders.caches.cache import Cache
from fpack.builders.caches.check import check
from fpack.builders.caches.deletion_mark import RENEWAL, SILENCE
from fpack.builders.caches.format.artifacts import blob_source
from fpack.builders.caches.format.errors import CacheError
from fpack.builders.caches.format.index import Index, IndexTag
from fpack.builders.caches.format.records import PathRecord
from fpack.builders.caches.gc import CacheSurvey, collect
from fpack.builders.distribution import orphans
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.bucket import BucketRepository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import (
    BlobEntry,
    BlobSource,
    ManifestDocument,
    Repository,
    RepositoryError,
    Unavailable,
)
from fpack.builders.distribution.pusher import PushedImage, PushedManifest, Pusher
from fpack.store import DAY
from fpack.store.path import StorePath
from support.servers.bucket import BucketServer
from support.servers.registry import Registry, open_registry
from support.servers.repositories import MANIFEST, manifest
from support.stores.caches import Graph, Machine, machine

INDEX = "application/vnd.oci.image.index.v1+json"


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    now = time.time() + days * DAY
    monkeypatch.setattr(time, "time", lambda: now)


def test_the_unused_goes_and_what_the_rest_references_stays(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph()
    base = graph.add("base")
    old, used = graph.add("old", "", [base]), graph.add("used", "", [base])
    paths = producer.build(graph, old, used)
    producer.push([paths[0]])
    producer.push([paths[1]])
    later(monkeypatch, 20)
    uses.record(producer.cache.repository, [paths[1]])
    later(monkeypatch, 20)
    assert [base[33:] for base in collect(producer.cache, 30, dry_run=True).dropped] == ["old"]
    done = collect(producer.cache, 30)
    assert [base[33:] for base in done.dropped] == ["old"]
    assert {base[33:] for base in done.kept} == {"base", "used"}
    # A new reader finds the rest, and nothing is missing.
    with machine(tmp_path / "reader") as reader:
        assert check(reader.cache, reader.store).faults == ()
        assert reader.build(graph, used) == [paths[1]]
        assert reader.builder.built == []
        reader.build(graph, old)
        assert reader.builder.built == ["old"]


def test_what_is_pushed_again_is_used(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph()
    (path,) = producer.build(graph, graph.add("top"))
    producer.push([path])
    later(monkeypatch, 40)
    assert producer.push([path]).pushed == ()
    assert collect(producer.cache, 30).dropped == ()


def pushed(producer: Machine) -> tuple[StorePath, PathRecord]:
    """Build a path and push it. Return it, and its record in the cache."""
    graph = Graph()
    (path,) = producer.build(graph, graph.add("top"))
    producer.push([path])
    record = producer.cache.record(path.base)
    assert record is not None
    return path, record


def test_a_blob_of_an_image_stays(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path, record = pushed(producer)
    layer = BlobEntry("application/vnd.oci.image.layer.v1.tar+zstd", record.blob_digest, record.blob_size)
    repository = producer.cache.repository
    repository.write_manifest(manifest(repository, layers=[layer.value()]), MANIFEST, "app")
    later(monkeypatch, 40)
    assert len(collect(producer.cache, 30).dropped) == 1
    assert repository.has_blob(record.blob_digest)


def test_a_blob_of_an_image_that_is_pushed_meanwhile_stays(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The push of the image finds the blob there, after the gc looked for images, and does not write it again."""
    path, record = pushed(producer)
    layer = BlobEntry("application/vnd.oci.image.layer.v1.tar+zstd", record.blob_digest, record.blob_size)
    repository = producer.cache.repository
    later(monkeypatch, 40)
    rewrite = gc._rewrite

    def and_push(cache: Cache, survey: CacheSurvey) -> None:
        rewrite(cache, survey)
        repository.write_manifest(manifest(repository, layers=[layer.value()]), MANIFEST, "app")

    monkeypatch.setattr(gc, "_rewrite", and_push)
    assert record.blob_digest not in collect(producer.cache, 30).freed
    assert repository.has_blob(record.blob_digest)


def test_a_reader_is_not_told_of_a_rollback(producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is dropped, but the newest statement of each signer stays."""
    graph = Graph()
    top = graph.add("top")
    producer.push(producer.build(graph, top))
    with machine(tmp_path / "reader") as reader:
        reader.cache.refresh()
        later(monkeypatch, 40)
        assert len(collect(producer.cache, 30).dropped) == 1
        reader.open(reader.cache.repository).refresh()


def test_reading_records_a_use(producer: Machine, tmp_path: Path) -> None:
    graph = Graph()
    top = graph.add("top")
    (path,) = producer.build(graph, top)
    producer.push([path])
    record = producer.cache.record(path.base)
    assert record is not None
    blob = tmp_path / "cache" / "blobs" / "sha256" / record.blob.hex()
    os.utime(blob, (1, 1))
    with machine(tmp_path / "reader") as reader:
        cache = reader.open(reader.cache.repository, f"file://{tmp_path / 'cache'}")
        reader.build(graph, top, caches=[cache])
    assert blob.stat().st_mtime > 1


def test_a_path_that_is_pushed_meanwhile_stays(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push finds the blob there, before it is deleted, and does not write it again."""
    graph = Graph()
    top = graph.add("top")
    paths = producer.build(graph, top)
    producer.push(paths)
    later(monkeypatch, 40)
    rewrite = gc._rewrite

    def and_push(cache: Cache, survey: CacheSurvey) -> None:
        rewrite(cache, survey)
        with machine(tmp_path / "other") as other:
            other.push(other.build(graph, top, caches=[]))

    monkeypatch.setattr(gc, "_rewrite", and_push)
    assert collect(producer.cache, 30).freed == {}
    with machine(tmp_path / "reader") as reader:
        assert check(reader.cache, reader.store).faults == ()
        assert reader.build(graph, top) == paths and reader.builder.built == []


def test_a_push_writes_blobs_again_that_a_gc_deleted_before_the_index_named_them(
    producer: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push finds the blob there, the gc deletes it, and only then the push writes its index."""
    graph = Graph()
    top = graph.add("top")
    paths = producer.build(graph, top)
    producer.push(paths)
    later(monkeypatch, 40)
    with machine(tmp_path / "other") as other:
        built = other.build(graph, top, caches=[])
        monkeypatch.setattr(other.cache, "has", lambda path: False)  # as before a gc wrote its index
        publish = other.cache.publish
        collected: list[CacheSurvey] = []

        def after_gc(index: Index) -> IndexTag:
            if not collected:
                collected.append(collect(producer.cache, 30))
                monkeypatch.undo()
            return publish(index)

        monkeypatch.setattr(other.cache, "publish", after_gc)
        other.push(built)
        assert collected[0].freed
    with machine(tmp_path / "reader") as reader:
        assert check(reader.cache, reader.store).faults == ()
        assert reader.build(graph, top) == paths and reader.builder.built == []


@pytest.mark.parametrize("is_deleting", [False, True])
def test_the_push_of_an_image_writes_blobs_again_that_a_gc_deleted_before_the_tag_named_them(
    producer: Machine, monkeypatch: pytest.MonkeyPatch, is_deleting: bool
) -> None:
    """The push finds the blob there. The gc has seen no image when the push writes the tag, or has ended by then."""
    path, record = pushed(producer)
    repository = producer.cache.repository
    entry = BlobEntry("application/vnd.oci.image.layer.v1.tar+zstd", record.blob_digest, record.blob_size)
    content = b"".join(repository.read_blob(entry))
    document = manifest(repository, layers=[entry.value()])
    config = json.loads(document)["config"]["digest"]
    sources = [
        BlobSource(record.blob_digest, record.blob_size, lambda offset: iter([content[offset:]])),
        BlobSource(config, 2, lambda offset: iter([b"{}"[offset:]])),
    ]
    image = PushedImage(PushedManifest(document, MANIFEST, sources))
    later(monkeypatch, 40)
    listed, tagged, collected = threading.Event(), threading.Event(), threading.Event()
    needed = gc._listed

    def listing(repository: Repository) -> list[str]:
        found = list(needed(repository))
        if repository.tags(deletion_mark.PREFIX):  # the last look before the deletion
            listed.set()
            assert not is_deleting or tagged.wait(60)
        return found

    def collecting() -> None:
        collect(producer.cache, 30)
        collected.set()

    write = repository.write_manifest
    running = threading.Thread(target=collecting)

    def racing(data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        if tag != "app" or tagged.is_set():
            return write(data, media_type, tag)
        running.start()
        assert listed.wait(60) and (is_deleting or collected.wait(60))
        written = write(data, media_type, tag)
        tagged.set()
        return written

    monkeypatch.setattr(gc, "_listed", listing)
    monkeypatch.setattr(repository, "write_manifest", racing)
    result = Pusher(repository, settle=deletion_mark.settle).push(image, "app")
    running.join()
    assert (result.uploaded, result.existing) == (1, 1)
    assert repository.has_blob(record.blob_digest) and repository.has_blob(config)


def test_the_push_of_an_image_looks_for_a_gc_only_if_it_left_out_blobs(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "images")
    looked: list[bool] = []

    def settle(repository: Repository) -> bool:
        looked.append(deletion_mark.settle(repository))
        return looked[-1]

    document = PushedManifest(
        b'{"schemaVersion":2}', MANIFEST, [BlobSource(blob_source(b"a").digest, 1, lambda offset: iter([b"a"]))]
    )
    Pusher(repository, settle=settle).push(PushedImage(document), "1")
    assert looked == []
    Pusher(repository, settle=settle).push(PushedImage(document._replace(data=b'{"schemaVersion": 2}')), "2")
    assert looked == [False]  # it is no cache


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_registry_that_lists_no_tags_is_no_cache(status: int) -> None:
    with Registry() as server:
        server.fail("GET .*/tags/list", status)
        assert not deletion_mark.settle(open_registry(server))


def test_a_push_fails_if_it_is_not_known_whether_a_gc_deleted_its_blobs() -> None:
    with Registry() as server:
        repository = open_registry(server, retries=0)
        document = PushedManifest(
            b'{"schemaVersion":2}', MANIFEST, [BlobSource(blob_source(b"a").digest, 1, lambda offset: iter([b"a"]))]
        )
        Pusher(repository).push(PushedImage(document), "1")
        server.fail("GET .*/tags/list", 503)
        with pytest.raises(Unavailable):
            Pusher(repository, settle=deletion_mark.settle).push(
                PushedImage(document._replace(data=b'{"schemaVersion": 2}')), "2"
            )


class Clock:
    """The clocks of `deletion_mark`, which a sleep moves on. then: called after each sleep."""

    def __init__(self, patch: pytest.MonkeyPatch, then: Callable[[], object] = lambda: None) -> None:
        self.now = 1000.0
        self.then = then
        self._start = time.time()
        patch.setattr(deletion_mark.time, "monotonic", lambda: self.now)
        patch.setattr(deletion_mark.time, "time", lambda: self._start + self.now - 1000)
        patch.setattr(deletion_mark.time, "clock_gettime", lambda clock: self.now)
        patch.setattr(deletion_mark.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


def test_a_push_waits_for_a_gc_as_long_as_it_renews_its_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = DirectoryRepository(tmp_path)
    clock = Clock(monkeypatch)
    mark = deletion_mark.DeletionMark(repository)
    mark.write()
    renewed = 0

    def then() -> None:
        nonlocal renewed
        if clock.now < 1000 + (renewed + 1) * RENEWAL:
            return
        if renewed == 30:
            mark.remove()
            return
        mark.check()
        mark.write()
        renewed += 1
        assert len(repository.tags(deletion_mark.PREFIX)) == 1

    clock.then = then
    deletion_mark.wait(repository)
    assert renewed == 30 and clock.now - 1000 >= 30 * RENEWAL > 2 * SILENCE
    assert repository.tags(deletion_mark.PREFIX) == []


@pytest.mark.parametrize("ahead", [0, -1800, 1800])
def test_a_push_waits_for_a_killed_gc_for_two_minutes_and_the_next_one_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """The waiting machine measures the silence, for the clock of the gc's machine may be wrong."""
    repository = DirectoryRepository(tmp_path)
    written = time.time() + ahead
    with monkeypatch.context() as patch:
        patch.setattr(deletion_mark.time, "time", lambda: written)
        deletion_mark.DeletionMark(repository).write()
    clock = Clock(monkeypatch)
    deletion_mark.wait(repository)
    assert SILENCE <= clock.now - 1000 < SILENCE + 1
    assert repository.tags(deletion_mark.PREFIX) == []
    blobs = {digest for digest, _, _ in repository.blobs()}
    assert len(blobs) == 1, "only the empty blob is left, which others use"
    before = clock.now
    deletion_mark.wait(repository)
    assert clock.now == before


def test_a_mark_of_another_day_is_not_waited_for_and_the_next_gc_removes_it(
    producer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = producer.cache.repository
    deletion_mark.DeletionMark(repository).write()
    later(monkeypatch, 1)
    deletion_mark.wait(repository)
    assert len(repository.tags(deletion_mark.PREFIX)) == 1
    collect(producer.cache, 30)
    assert repository.tags(deletion_mark.PREFIX) == []


def test_a_gc_renews_its_mark_while_it_deletes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = DirectoryRepository(tmp_path)
    renewed = threading.Event()
    monkeypatch.setattr(deletion_mark, "RENEWAL", 0.001)
    with deletion_mark.marked(repository) as mark:
        before = repository.tags(deletion_mark.PREFIX)
        write = mark.write

        def and_tell() -> None:
            write()
            if repository.tags(deletion_mark.PREFIX) != before:
                renewed.set()

        monkeypatch.setattr(mark, "write", and_tell)
        assert renewed.wait(60)
    assert repository.tags(deletion_mark.PREFIX) == []


@pytest.mark.parametrize("is_renewed_late", [False, True])
def test_a_gc_that_was_suspended_deletes_nothing_more(
    producer: Machine, monkeypatch: pytest.MonkeyPatch, is_renewed_late: bool
) -> None:
    """A push may have ended its wait meanwhile, and relies on the blobs."""
    path, record = pushed(producer)
    later(monkeypatch, 40)
    clock = Clock(monkeypatch)
    named = gc._named

    def suspended(cache: Cache) -> set[str]:
        clock.now += SILENCE + 1
        if is_renewed_late:
            marks[0].write()
        return named(cache)

    marks: list[deletion_mark.DeletionMark] = []
    write = deletion_mark.DeletionMark.write

    def writes(mark: deletion_mark.DeletionMark) -> None:
        marks.append(mark)
        write(mark)

    monkeypatch.setattr(deletion_mark.DeletionMark, "write", writes)
    monkeypatch.setattr(gc, "_named", suspended)
    with pytest.raises(CacheError, match="ended early"):
        collect(producer.cache, 30)
    assert producer.cache.repository.has_blob(record.blob_digest)
    assert producer.cache.repository.tags(deletion_mark.PREFIX) == []


@pytest.mark.parametrize("field", ["layers", "manifests"])
def test_a_manifest_with_a_number_for_a_list_is_read(
    producer: Machine, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    graph = Graph()
    (path,) = producer.build(graph, graph.add("top"))
    producer.push([path])
    producer.cache.repository.write_manifest(f'{{"schemaVersion":2,"{field}":1}}'.encode(), MANIFEST, "odd")
    later(monkeypatch, 40)
    assert collect(producer.cache, 30).dropped == (path.base,)


def test_a_tagged_manifest_counts_once(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = producer.cache.repository
    for number in range(3):
        document = manifest(repository, annotations={"number": str(number)})
        for tag in (f"{number}", f"again-{number}"):
            repository.write_manifest(document, MANIFEST, tag)
    monkeypatch.setattr(gc, "MAX_MANIFESTS", 3)
    assert json.loads(document)["config"]["digest"] in set(gc._listed(repository))
    monkeypatch.setattr(gc, "MAX_MANIFESTS", 2)
    with pytest.raises(RepositoryError, match="too many manifests") as caught:
        list(gc._listed(repository))
    assert "no more than 2" in caught.value.why and caught.value.hint


def test_indexes_that_name_each_other_many_times_are_read_once(
    producer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four levels of an index that names the next one fifty times are six million manifests."""
    graph = Graph()
    (path,) = producer.build(graph, graph.add("top"))
    producer.push([path])
    repository = producer.cache.repository
    below = repository.write_manifest(manifest(repository), MANIFEST)
    for level in range(4):
        rows = [below.value()] * 50
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows, "annotations": {"level": str(level)}}
        below = repository.write_manifest(json.dumps(index).encode(), INDEX, "app" if level == 3 else "")
    read = repository.manifest
    asked: list[str] = []

    def counted(reference: str) -> ManifestDocument | None:
        asked.append(reference)
        assert len(asked) < 100
        return read(reference)

    monkeypatch.setattr(repository, "manifest", counted)
    later(monkeypatch, 40)
    assert len(collect(producer.cache, 30).dropped) == 1
    assert read("app") is not None


def test_equal_uses_of_a_later_day_stay(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their list is the same, so they have the same manifest."""
    graph = Graph()
    paths = producer.build(graph, graph.add("top"))
    producer.push(paths)
    repository = producer.cache.repository
    uses.record(repository, paths)
    later(monkeypatch, 25)
    uses.record(repository, paths)
    assert len(repository.tags("u-")) == 2
    later(monkeypatch, 20)
    assert collect(producer.cache, 30).dropped == ()
    assert len(repository.tags("u-")) == 1


@pytest.mark.parametrize("has_bucket", [False, True])
def test_what_interrupted_pushes_left_goes_once_it_is_of_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_bucket: bool
) -> None:
    with contextlib.ExitStack() as stack:
        repository: orphans.Listing = DirectoryRepository(tmp_path / "cache")
        if has_bucket:
            server = stack.enter_context(BucketServer())
            opened = open_repository("s3://bucket/cache", environ=server.environ)
            assert isinstance(opened, BucketRepository)
            repository = opened
        producer = stack.enter_context(machine(tmp_path / "producer", repository))
        graph = Graph()
        paths = producer.build(graph, graph.add("kept"), graph.add("lost"))
        producer.push([paths[0]])
        published = Cache.publish
        monkeypatch.setattr(Cache, "publish", lambda *_: (_ for _ in ()).throw(CacheError("killed")))
        with pytest.raises(CacheError, match="killed"):
            producer.push([paths[1]])
        monkeypatch.setattr(Cache, "publish", published)
        young = collect(producer.cache, 30)
        assert not young.orphans and not young.dropped
        if has_bucket:
            server.times = dict.fromkeys(server.objects, time.time())
        later(monkeypatch, 3)
        uses.record(repository, paths[:1])
        wanted = collect(producer.cache, 30, dry_run=True)
        before = {digest for digest, _, _ in repository.blobs()}
        done = collect(producer.cache, 30)
        assert done.dropped == () and done.orphans and done == wanted
        assert before - {digest for digest, _, _ in repository.blobs()} == done.orphans
        assert done.size == sum(done.freed.values()) > 0
        assert not collect(producer.cache, 30).orphans
        with machine(tmp_path / "reader", repository) as reader:
            assert check(reader.cache, reader.store).faults == ()
