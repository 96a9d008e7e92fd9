"""Collecting a cache: by last use, with references, and never an image's blobs."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.caches import deletion_mark, gc, uses
from fpack.builders.caches.cache import Cache
from fpack.builders.caches.check import check
from fpack.builders.caches.format.index import Index, IndexTag
from fpack.builders.caches.gc import CacheSurvey, collect
from fpack.builders.distribution.protocol import BlobEntry
from fpack.store import DAY
from support.caches import Graph, Machine, machine
from support.repositories import MANIFEST, manifest


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "producer") as made:
        yield made


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


def test_a_blob_of_an_image_stays(producer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph()
    (path,) = producer.build(graph, graph.add("top"))
    producer.push([path])
    record = producer.cache.record(path.base)
    assert record is not None
    layer = BlobEntry("application/vnd.oci.image.layer.v1.tar+zstd", record.blob_digest, record.blob_size)
    repository = producer.cache.repository
    repository.write_manifest(manifest(repository, layers=[layer.value()]), MANIFEST, "app")
    later(monkeypatch, 40)
    assert len(collect(producer.cache, 30).dropped) == 1
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


def test_a_push_waits_for_the_end_of_a_gc_and_not_for_one_that_crashed(
    producer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = producer.cache.repository
    looks: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(deletion_mark.time, "sleep", lambda seconds: looks.append(1))
        with deletion_mark.marked(repository):
            (tag,) = repository.tags(deletion_mark.PREFIX)
            patch.setattr(deletion_mark.time, "monotonic", lambda: 100.0 * len(looks))
            deletion_mark.wait(repository)
    assert len(looks) == 2 and repository.tags(deletion_mark.PREFIX) == []
    repository.write_manifest(manifest(repository), MANIFEST, tag)
    later(monkeypatch, 1)
    deletion_mark.wait(repository)
    collect(producer.cache, 30)
    assert repository.tags(deletion_mark.PREFIX) == []


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
