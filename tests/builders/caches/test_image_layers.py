"""Layers of images as entries of a cache: nothing is written twice, and nothing in a layer is believed."""

import hashlib
import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from fpack.builders.caches import fetch, image_layers
from fpack.builders.caches.cache import now
from fpack.builders.caches.cache_set import CacheSet
from fpack.builders.caches.check import check
from fpack.builders.caches.format.errors import BadIndex
from fpack.builders.caches.format.index import Index
from fpack.builders.caches.format.records import DetachedFile, PathRecord, decode_record
from fpack.builders.caches.gc import collect
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Unavailable
from fpack.builders.oci import spec
from fpack.store import DAY, canonical
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.errors import DamagedPath
from fpack.store.path import StorePath
from fpack.store.sessions.registration import FinishedOutput
from support.servers.repositories import MANIFEST, manifest
from support.stores.caches import BuiltLayer, Graph, Machine, machine


class Counting(DirectoryRepository):
    """A repository that notes which blobs are written and read, and breaks off after some bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[str] = []
        self.reads: list[tuple[str, int]] = []
        self.most = 1 << 40

    def write_blob(self, source: BlobSource) -> bool:
        done = super().write_blob(source)
        if done:
            self.written.append(source.digest)
        return done

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append((entry.digest, offset))
        for piece in super().read_blob(entry, offset, length):
            if len(piece) > self.most:
                yield piece[: self.most]
                raise Unavailable("The connection broke", where="test")
            yield piece


class World:
    """Two paths and their layer, on a machine that pushes."""

    def __init__(self, place: Path, compress: str = "zstd") -> None:
        self.repository = Counting(place / "cache")
        self.producer = Machine(place / "producer", self.repository)
        self.graph = Graph()
        self.outputs = [self.graph.add("one", "1" * 3000), self.graph.add("two", "2" * 3000)]
        self.paths = self.producer.build(self.graph, *self.outputs)
        self.layer: BuiltLayer = self.producer.layer(self.graph, self.paths, compress)
        self.blob = next(iter(self.layer.parts.values())).blob_digest

    def push(self) -> None:
        self.producer.push([self.layer.path, *self.paths], parts=self.layer.parts)

    def record(self, path: StorePath) -> PathRecord:
        found = self.producer.cache.record(path.base)
        assert found is not None
        return found

    def publish(self, record: PathRecord, blob: bytes) -> None:
        """Publish a record of a layer that is `blob`, newer than any other."""
        hashed = hashlib.sha256(blob)
        source = BlobSource(f"sha256:{hashed.hexdigest()}", len(blob), lambda offset: iter((blob[offset:],)))
        self.repository.write_blob(source)
        record = record._replace(blob=hashed.digest(), blob_size=len(blob), offset=0, length=len(blob))
        time.sleep(0.002)
        self.producer.cache.publish(Index(now(), {record.path.base: record.encode()}))

    @property
    def all(self) -> list[Output]:
        return [*self.outputs, self.layer.output]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.producer.store.close()


@pytest.mark.parametrize("compress", ["zstd", "gzip", "none"])
def test_paths_are_read_from_the_layer(tmp_path: Path, compress: str) -> None:
    world = World(tmp_path, compress)
    # The image was pushed before.
    disk = world.producer.store.disk(world.layer.path)
    data = (disk / "blob").read_bytes()
    world.repository.write_blob(BlobSource(world.blob, len(data), lambda offset: iter((data[offset:],))))
    world.repository.written.clear()
    world.push()
    assert world.blob not in world.repository.written
    assert all(world.record(path).is_layer for path in world.paths)
    assert [file.blob_digest for file in world.record(world.layer.path).files] == [world.blob]
    with machine(tmp_path / "reader", world.repository) as reader:
        world.repository.reads.clear()
        built = reader.build(world.graph, *world.all)
        assert built == [*world.paths, world.layer.path] and reader.builder.built == []
        assert (reader.store.disk(world.layer.path) / "blob").read_bytes() == data
        # Once as the file of the layer's output; each offer of the scheduler reads the layer once.
        assert sum(name == world.blob for name, _ in world.repository.reads) <= 3
        assert check(reader.cache, reader.store).faults == ()
    with machine(tmp_path / "another", world.repository) as other:
        other.cache.refresh()
        world.repository.reads.clear()
        fetcher = fetch.Fetcher(other.store, CacheSet([other.cache], print))
        fetcher.fetch(world.paths)  # all paths of a layer with one request
        assert world.repository.reads == [(world.blob, 0)]
        fetcher.close()
    world.producer.store.close()


def test_a_path_without_its_layer_is_packed(world: World) -> None:
    world.producer.push(world.paths, parts=world.layer.parts)
    assert not any(world.record(path).is_layer for path in world.paths)


def test_a_layer_that_is_gone_costs_a_build(world: World, tmp_path: Path) -> None:
    world.push()
    world.repository.delete(world.blob)
    assert {fault.base for fault in check(world.producer.cache).faults} == {
        path.base for path in (*world.paths, world.layer.path)
    }
    with machine(tmp_path / "reader", world.repository) as reader:
        assert reader.build(world.graph, *world.outputs) == world.paths
        assert reader.build(world.graph, world.layer.output) == [world.layer.path]
        assert sorted(reader.builder.built) == ["one", "two"] and reader.warnings


def test_an_interrupted_layer_is_continued(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LARGE", 1)
    world.push()
    with machine(tmp_path / "reader", world.repository) as reader:
        reader.cache.refresh()
        for most in (100, 1 << 40):
            world.repository.most = most
            world.repository.reads.clear()
            fetcher = fetch.Fetcher(reader.store, CacheSet([reader.cache], print))
            if most == 100:
                with pytest.raises(Unavailable):
                    fetcher.fetch([world.paths[0]])
            else:
                fetcher.fetch([world.paths[0]])
            fetcher.close()
        assert world.repository.reads == [(world.blob, 100)]


def tar_of(*members: tuple[str, str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = kind.encode()
            info.mode = 0o755 if kind == "5" or name.endswith("/run") else 0o644
            info.size = len(text) if kind == "0" else 0
            info.linkname = "" if kind == "0" else text
            tar.addfile(info, io.BytesIO(text.encode()) if kind == "0" else None)
    return out.getvalue()


def layer_of(record: PathRecord, text: str, name: str = "text") -> bytes:
    """Return a layer with the tree of a path, and with members that lead elsewhere. name: of the file with the text."""
    prefix = record.prefix
    return tar_of(
        ("../../../../tmp/escaped-from-layer", "0", "x"), ("/etc/passwd", "0", "x"), (f"{prefix}x", "0", "x"),
        ("fpack/store", "2", "/tmp"), (prefix, "5", ""), (f"{prefix}/bin", "5", ""),
        (f"{prefix}/bin/run", "0", "#!/bin/sh\n"), (f"{prefix}/empty", "5", ""), (f"{prefix}/link", "2", "text"),
        (f"{prefix}/{name}", "0", text), ("fpack/hard", "1", f"{prefix}/text"),
    )  # fmt: skip


@pytest.mark.parametrize(("text", "name"), [("1" * 3000, "text"), ("wrong", "text"), ("1" * 3000, "/text")])
def test_the_rest_of_a_hostile_layer_is_passed_over(world: World, tmp_path: Path, text: str, name: str) -> None:
    world.push()
    record = world.record(world.paths[0])
    tar = layer_of(record, text, name)
    world.publish(record._replace(raw=len(tar)), zstandard.ZstdCompressor().compress(tar))
    with machine(tmp_path / "reader", world.repository) as reader:
        assert reader.build(world.graph, world.outputs[0]) == [world.paths[0]]
        assert reader.builder.built == ([] if text[0] == "1" and name == "text" else ["one"])
        assert [path.name for path in (tmp_path / "reader").iterdir() if "escaped" in path.name] == []
    assert not Path("/tmp/escaped-from-layer").exists()


def test_a_bomb_is_refused(world: World, tmp_path: Path) -> None:
    world.push()
    record = world.record(world.paths[0])
    bomb = zstandard.ZstdCompressor().compress(tar_of(("other", "0", "0" * (8 << 20))))
    world.publish(record._replace(raw=4096), bomb)
    with machine(tmp_path / "reader", world.repository) as reader:
        assert reader.build(world.graph, world.outputs[0]) == [world.paths[0]]
        assert reader.builder.built == ["one"]


@pytest.mark.parametrize("how", ["another blob", "another size", "too large", "in the tar as well"])
def test_a_wrong_detached_file_is_refused(world: World, tmp_path: Path, how: str) -> None:
    world.push()
    record = world.record(world.layer.path)
    (file,) = record.files
    pack = BlobEntry("", record.blob_digest, record.blob_size)
    blob = b"".join(world.repository.read_blob(pack))
    match how:
        case "another blob":
            record = record._replace(files=(DetachedFile("blob", record.blob, record.blob_size),))
        case "another size":
            record = record._replace(files=(file._replace(size=file.size - 1),))
        case "too large":
            record = record._replace(files=(file._replace(size=1 << 20),))
        case _:
            record = record._replace(files=(file._replace(name="layer"),))
    world.publish(record, blob[record.offset : record.offset + record.length])
    with machine(tmp_path / "reader", world.repository) as reader:
        reader.build(world.graph, *world.outputs)
        reader.warnings.clear()
        assert reader.build(world.graph, world.layer.output) == [world.layer.path]
        assert any("wrong content" in text for text in reader.warnings)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0"])
def test_the_name_of_a_detached_file_is_no_path(world: World, name: str) -> None:
    world.push()
    record = world.record(world.layer.path)
    wrong = record._replace(files=(record.files[0]._replace(name=name),))
    with pytest.raises(BadIndex):
        decode_record(record.path.base, wrong.encode())
    with pytest.raises(BadIndex):
        decode_record(record.path.base, record._replace(files=record.files * 2).encode())


@pytest.mark.parametrize("has_image", [True, False])
def test_collecting(world: World, monkeypatch: pytest.MonkeyPatch, has_image: bool) -> None:
    world.push()
    if has_image:
        size = world.record(world.paths[0]).blob_size
        layer = BlobEntry("application/vnd.oci.image.layer.v1.tar+zstd", world.blob, size)
        world.repository.write_manifest(manifest(world.repository, layers=[layer.value()]), MANIFEST, "app")
    later = time.time() + 40 * DAY
    monkeypatch.setattr(time, "time", lambda: later)
    assert len(collect(world.producer.cache, 30).dropped) == 3
    assert world.repository.has_blob(world.blob) == has_image


def test_an_output_that_looks_like_an_image_is_not_believed(world: World) -> None:
    part = world.layer.parts[world.paths[0]]
    row = {
        "path": str(world.layer.path), "media_type": "application/vnd.oci.image.layer.v1.tar+zstd",
        "digest": part.blob_digest, "diff_id": part.blob_digest, "packages": [], "size": part.blob_size, "unpacked": 1,
        "tar": part.raw, "files": 1, "parts": [[str(path), str(path)] for path in world.paths],
    }  # fmt: skip
    documents = {"digest": spec.digest(b"{}"), "image_id": spec.digest(b"{}")}
    fields = {"format": 1, "name": "app", "tag": "1", "arch": "amd64", "layers": [row], **documents}
    store = world.producer.store
    writer = store.writer()
    for name, data in (("image", canonical.encode(fields)), ("config", b"{}"), ("manifest", b"{}")):
        writer.file(name, [data])
    (path,) = store.register_all(b"", [FinishedOutput("app", writer, (), None, None)])
    assert image_layers.of_paths(store, [path]) == {}
    body = Derivation("image", "app", {}).encode()
    store.plan({digest(body): body})
    store.adopt(b"", {Output(digest(body)): path})
    assert image_layers.of_paths(store, [path]).keys() == set(world.paths)


def test_a_damaged_layer_is_not_pushed(world: World) -> None:
    file = world.producer.store.disk(world.layer.path) / "blob"
    data = bytearray(file.read_bytes())
    data[9] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    with pytest.raises(DamagedPath):
        world.push()
    assert not world.repository.has_blob(world.blob) and world.repository.tags("i-") == []
