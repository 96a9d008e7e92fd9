"""The decoders of what registries, caches, mirrors and images of others say, each with small inputs to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard
from fpack.builders.caches.format import index as cache_index
from fpack.builders.caches.format.records import decode_record
from fpack.builders.caches.format.statements import decode_claims
from fpack.builders.caches.packs import PathContent, write_pack
from fpack.builders.caches.unpack import unpack
from fpack.builders.distribution import answers, bucket
from fpack.builders.distribution.access import challenges
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, BlobSource
from fpack.builders.distribution.reference import parse_reference
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings, Transport
from fpack.builders.intake import store_record
from fpack.builders.intake.image_documents import MEMORY
from fpack.builders.intake.repository_archive import RemoteImage
from fpack.builders.mirrors.bundle import BundleRepository, unpack_bundle, write_bundle
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, keep
from fpack.builders.mirrors.kept_lock import StoredLock, decode_manifest, read_config
from fpack.builders.mirrors.pages import stored_lock
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.manifest_loading import bounded
from fpack.store.errors import FpackError
from fpack.store.files.pool import Pool
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, make
from fpack.store.store import Store
from support.servers.memory_repository import MemoryRepository
from support.servers.repositories import digest_of
from support.stores.caches import KEY

IDENTITY = "0" * 40
NOW = 1_790_000_000.0
_MOST = 300  # blobs of an image that are opened


def _packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=True).compress(data)


# Caches.


def _index(data: bytes, folder: Path) -> None:
    found = cache_index.decode(data, "x")
    for base in islice(found.paths, 1000):
        with suppress(FpackError):
            found.record(base)
    for statement in found.statements:
        with suppress(FpackError):
            decode_claims(statement)
    assert cache_index.decode(found.encode(), "x").paths == found.paths


def _index_body(data: bytes, folder: Path) -> None:
    _index(_packed(data), folder)


def _record(data: bytes, folder: Path) -> None:
    """Decode a record. The first line is the path, the rest the record."""
    base, _, body = data.partition(b"\n")
    record = decode_record(base.decode("utf-8", "surrogateescape"), body)
    assert decode_record(record.path.base, record.encode()) == record


def _part(data: bytes, folder: Path) -> None:
    """Unpack the content of a path, which has its size and its digest only if it is the right one."""
    (record,), _ = _cached()
    record = record._replace(raw=max(record.raw, len(data)), blob_size=len(data), length=len(data))
    unpack([(record, TreeWriter(Pool(folder / "files"), folder / "tree"))], [data], lambda file: nullcontext([]))


def _cached() -> tuple[Sequence[Any], bytes]:
    """Return the records of a path in a cache, and its part of the blob."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name, "store"))
        writer = store.writer()
        writer.file("bin/run", [b"#!/bin/sh\n"], executable=True)
        writer.symlink("link", "bin/run")
        writer.mkdir("empty")
        tree = writer.finish()
        path = make("tool", tree, [])
        store.database.add_derivations({})
        from fpack.store.sessions.registration import FinishedOutput

        store.register_all(b"", [FinishedOutput("tool", writer, (), None, path)])
        info = store.info(path)
        assert info is not None
        made = write_pack(store, [PathContent(path, tree, info.size, ())], Path(name, "pack"))
        data = made.file.read_bytes()
        store.close()
    (record,) = made.records
    return made.records, data[record.offset : record.offset + record.length]


def _cache_seeds() -> list[bytes]:
    from fpack.builders.caches.format.statements import Realisation, sign

    records, _ = _cached()
    statement = sign(KEY, 1_790_000_000_000, [Realisation(b"d" + bytes(20), "out", records[0].path.base)])
    tag = cache_index.IndexTag(1_790_000_000_000, 10, "0" * 64)
    paths = {record.path.base: record.encode() for record in records}
    made = [
        cache_index.Index(1_790_000_000_000, paths, (statement,), (str(tag),)),
        cache_index.Index(1, {}),
    ]
    return [index.encode() for index in made]


def _cache_bodies() -> list[bytes]:
    return [zstandard.ZstdDecompressor().decompress(seed) for seed in _cache_seeds()]


def _record_seeds() -> list[bytes]:
    return [record.path.base.encode() + b"\n" + record.encode() for record in _cached()[0]]


# Records of pushed images.


def _store_record(data: bytes, folder: Path) -> None:
    with bounded(MEMORY):
        store_record.decode(data, "x")


def _store_record_body(data: bytes, folder: Path) -> None:
    _store_record(_packed(data), folder)


def _made_record() -> bytes:
    path = StorePath("0" * 32, "app")
    return store_record.StoreRecord(
        path, b"record", {StorePath("1" * 32, "root"): store_record.StoredTable(b"meta", (path,))},
        {StorePath("2" * 32, "tool"): (path,)}, {StorePath("3" * 32, "deb"): (bytes(20),)}, {},
    ).encode()  # fmt: skip


# Images of others in a registry.


def _image(data: bytes, folder: Path) -> None:
    """Read an image of which one document is replaced. The first byte selects it, the rest is its content."""
    documents = _image_documents()
    number = data[0] % (len(documents) + 1) if data else 0
    repository = MemoryRepository()
    replaced = list(documents)
    if number < len(documents):
        replaced[number] = data[1:]
    top, config, listed = replaced
    for blob in (config, b"a layer"):
        repository.blobs[digest_of(blob)] = blob
    if number == 1:
        value = json.loads(top)
        value["config"] |= {"digest": digest_of(config), "size": len(config)}
        top = json.dumps(value).encode()
    repository.manifests[digest_of(listed)] = (_OCI, listed)
    repository.manifests[digest_of(top)] = (_OCI if number < len(documents) else _OCI_INDEX, top)
    repository.named["1"] = digest_of(top)
    archive = RemoteImage(parse_reference("localhost/team/app:1"), lambda: repository).archive()
    archive.images  # noqa: B018 - it parses
    for name in islice(list(archive.sizes), _MOST):
        with archive.open(name) as file, suppress(FpackError):
            file.read(1 << 16)
    embedded_manifest.find(archive)


_OCI = "application/vnd.oci.image.manifest.v1+json"
_OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def _image_documents() -> list[bytes]:
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(b"a layer"), "size": 7}
    about = {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)
    }  # fmt: skip
    value = {"schemaVersion": 2, "mediaType": _OCI, "config": about, "layers": [layer]}
    top = json.dumps(value).encode()
    listed = json.dumps({**value, "subject": {"mediaType": _OCI, "digest": digest_of(top), "size": len(top)}}).encode()
    return [top, config, listed]


def _image_seeds() -> list[bytes]:
    return [bytes([number]) + data for number, data in enumerate(_image_documents())]


# Answers of registries and buckets.


class _Answer:
    """An answer whose body was read."""

    status = 200

    def __init__(self, headers: bytes) -> None:
        self._headers = headers.decode("latin-1")

    def header(self, name: str) -> str:
        """Return the same text for every header, as a hostile server may."""
        return self._headers if len(self._headers) <= 8192 and self._headers.isprintable() else ""

    length = 7

    def close(self) -> None:
        """Do nothing."""


class _Transport(Transport):
    """A connection to a registry whose every answer is the same."""

    def __init__(self, headers: bytes, body: bytes) -> None:
        super().__init__("localhost", "http", Settings({"REGISTRY_AUTH_FILE": "/nonexistent"}))
        self._answer = _Answer(headers)
        self._body = body

    def fetch(self, *_: Any, **__: Any) -> Any:
        return self._answer, self._body

    def request(self, *_: Any, **__: Any) -> Any:
        return self._answer


def _answer(data: bytes, folder: Path) -> None:
    """Read an answer. The first line is the text of the headers, the rest the body."""
    headers, _, body = data.partition(b"\n")
    transport = _Transport(headers, body)
    repository = RegistryRepository("localhost", "team/app", "http", Settings({}), transport)
    digest = digest_of(b"x")
    accepted = 0
    for ask in (
        lambda: repository.tags(),
        lambda: repository.resolve("1"),
        lambda: repository.manifest("1"),
        lambda: repository.referrers(digest, "x"),
        lambda: repository.has_blob(digest),
    ):
        with suppress(FpackError):
            ask()
            accepted += 1
    answers.failure("x", "localhost", 400, "no", body, False)
    for challenge in challenges.parse(headers.decode("latin-1")):
        assert challenge.scheme == challenge.scheme.lower()


def _answer_seeds() -> list[bytes]:
    error = json.dumps({"errors": [{"code": "DENIED", "message": "no", "detail": {}}]})
    tags = json.dumps({"name": "team/app", "tags": ["1", "i-1"]})
    index = json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": _OCI, "digest": digest_of(b""), "size": 0}]})
    return [
        b'</v2/team/app/tags/list?n=10&last=1>; rel="next"\n' + tags.encode(),
        b'Bearer realm="https://auth.example/token",service="s",scope="repository:a:pull"\n' + error.encode(),
        b"\n" + index.encode(),
        digest_of(b"").encode() + b"\n" + _image_documents()[0],
    ]


def _bucket(data: bytes, folder: Path) -> None:
    page = bucket._xml(data, "x")
    list(page.iter())
    bucket._text(page, "NextContinuationToken")


# Mirrors.


def _kept_config(data: bytes, folder: Path) -> None:
    repository = MemoryRepository()
    repository.blobs[digest_of(data)] = data
    stored = stored_lock(_kept(), IDENTITY)
    assert stored is not None
    read_config(repository, stored._replace(config=BlobEntry("x", digest_of(data), len(data))))


def _kept_manifest(data: bytes, folder: Path) -> None:
    repository = MemoryRepository()
    entry = BlobEntry(_OCI, digest_of(data), len(data))
    repository.manifests[entry.digest] = (_OCI, data)
    document = repository.manifest(entry.digest)
    assert document is not None
    found = decode_manifest(document, "x", IDENTITY)
    assert found is None or isinstance(found, StoredLock)


def _kept() -> MemoryRepository:
    repository = MemoryRepository()
    item = KeepItem("a file", (digest_of(b"data"),), digest_of(b"data"), 4, ("sha512:" + "0" * 128,))

    def obtain(items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        import tempfile

        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"data")
        _TEMPORARY.append(Path(file.name))
        return [[ObtainedFile("a file", Path(file.name), item.aliases)]]

    keep(repository, KeepRequest(IDENTITY, "fpack-lock 1\n", [item], obtain), NOW)
    while _TEMPORARY:
        _TEMPORARY.pop().unlink()
    return repository


_TEMPORARY: list[Path] = []


def _kept_configs() -> list[bytes]:
    repository = _kept()
    stored = stored_lock(repository, IDENTITY)
    assert stored is not None
    return [repository.blobs[stored.config.digest]]


def _kept_manifests() -> list[bytes]:
    stored = stored_lock(_kept(), IDENTITY)
    assert stored is not None
    return [stored.manifest.data]


def _bundle(data: bytes, folder: Path) -> None:
    path = folder / "a.bundle"
    path.write_bytes(data)
    repository = BundleRepository(path)
    for tag in islice(repository.tags(), 100):
        with suppress(FpackError):
            entry = repository.resolve(tag)
            if entry is not None:
                b"".join(islice(repository.read_blob(entry), 100))
    unpack_bundle(path, folder / "unpacked")
    assert {one.name for one in folder.iterdir()} == {"a.bundle", "unpacked"}


def _bundle_seeds() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        layout = DirectoryRepository(Path(name, "layout"))
        for data in (b"", b"a blob"):
            layout.write_blob(BlobSource(digest_of(data), len(data), lambda offset, data=data: iter((data,))))  # type: ignore[misc]
        layout.write_manifest(_image_documents()[0], _OCI, "one")
        with open(Path(name, "bundle"), "w+b") as out:
            write_bundle(layout.directory, out)
            out.seek(0)
            return [out.read()]


Read = Callable[[bytes, Path], object]
REMOTE: dict[str, tuple[Read, Callable[[], list[bytes]], bool]] = {
    "cache-index": (_index, _cache_seeds, False),
    "cache-index-body": (_index_body, _cache_bodies, False),
    "cache-record": (_record, _record_seeds, False),
    "cache-part": (_part, lambda: [_cached()[1]], False),
    "store-record": (_store_record, lambda: [_made_record()], False),
    "store-record-body": (
        _store_record_body, lambda: [zstandard.ZstdDecompressor().decompress(_made_record())], False
    ),
    "remote-image": (_image, _image_seeds, True),
    "registry-answer": (_answer, _answer_seeds, True),
    "bucket-answer": (_bucket, lambda: [b"<R><Contents><Key>a</Key></Contents><IsTruncated>x</IsTruncated></R>"], True),
    "kept-config": (_kept_config, _kept_configs, True),
    "kept-manifest": (_kept_manifest, _kept_manifests, True),
    "bundle": (_bundle, _bundle_seeds, False),
}  # fmt: skip
