"""A pulled image has the same store paths as the store that it was pushed from, and nothing false becomes one."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgpack
import pytest
import zstandard
from blake3 import blake3
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Unavailable
from fpack.builders.intake import image_documents
from fpack.builders.intake.expected_trees import expect, read_table
from fpack.builders.intake.image_documents import ImageDocuments
from fpack.builders.intake.image_intake import ImageIntake, PulledImage
from fpack.builders.intake.layer_stream import read_layer
from fpack.builders.intake.store_record import ARTIFACT, RecordError, StoredTable, StoreRecord, decode
from fpack.builders.manifest import referrer
from fpack.builders.manifest.format import FILE, ManifestEntry
from fpack.builders.oci import spec
from fpack.builders.payload import meta
from fpack.builders.streams.codecs import LAYER_TYPE
from fpack.cli.images import image_file
from fpack.store import canonical
from fpack.store.errors import FpackError
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node, tree_digest
from fpack.store.path import StorePath, make, parse
from fpack.store.store import Store
from support.images.greeter import Greeter
from support.images.pushed import MANIFEST, Counting, attach_record, digest_of, push, push_with_record, remote
from support.servers.repositories import write


class Pushed(NamedTuple):
    """An image in a repository, and the store that it was pushed from."""

    repository: Counting
    store: Store
    path: StorePath

    def documents(self) -> ImageDocuments:
        image = remote(self.repository)
        found = image_file.read(image)
        assert found.data is not None
        return image_documents.read(image.archive(), found.digest, found.data, str(image))

    def pull(
        self, store: Store, payloads: Callable[[Mapping[StorePath, Sequence[bytes]]], None] | None = None
    ) -> PulledImage:
        found = self.documents()

        def refuse(absent: Mapping[StorePath, Sequence[bytes]]) -> None:
            raise AssertionError(absent)

        intake = ImageIntake(
            store, self.repository, found.head, found.entries, found.record, found.expected, payloads or refuse
        )
        return intake.run()


@pytest.fixture(scope="module")
def source(made: Greeter) -> Iterator[tuple[Store, StorePath]]:
    store = Store(Path(made.fpack.env["FPACK_ROOT"]))
    data = image_file.read(made.tar)
    yield store, parse(image_file.manifest(data).head.image.path)
    store.close()


@pytest.fixture
def pushed(made: Greeter, source: tuple[Store, StorePath], tmp_path: Path) -> Pushed:
    repository = Counting(DirectoryRepository(tmp_path / "registry"))
    push(made.tar, repository)
    attach_record(*source, repository)
    return Pushed(repository, *source)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "empty")
    yield opened
    opened.close()


def test_all_store_paths_of_an_image_come_back(pushed: Pushed, store: Store) -> None:
    found = pushed.pull(store)
    assert found.path == pushed.path
    documents = pushed.documents()
    assert {*documents.record.tables, *documents.record.built, *documents.expected.infos, found.path} == {*found.added}
    for path in found.added:
        mine, theirs = store.info(path), pushed.store.info(path)
        assert mine is not None and theirs is not None
        assert (mine.tree, mine.references) == (theirs.tree, theirs.references), path
        store.tree(path).check()
    assert {*store.closure([found.path])} == {*pushed.store.closure([pushed.path])}
    assert not [*(store.root / "partial").iterdir()]


OTHERS = """
grouped = image.with { name = "grouped", max-layers = 6 }
replacing = image.with {
  name = "replacing"
  files = { "/usr/bin/hello" = { text = "#!/bin/sh\\n", mode = "0755" }, "/usr/bin/greet" = "other" }
}
"""


@pytest.mark.parametrize("name", ["#everything", "#grouped", "#replacing"])
def test_every_kind_of_image_comes_back(made: Greeter, store: Store, tmp_path: Path, name: str) -> None:
    """Grouped layers, and files of packages that the container replaces, which no layer has."""
    project = tmp_path / "project"
    shutil.copytree(made.project, project, ignore=shutil.ignore_patterns("*.tar", "result*"), symlinks=True)
    (project / "fpack.fp").write_text((made.project / "fpack.fp").read_text() + OTHERS)
    made.fpack.pack(name, "-o", tmp_path / "a.tar", cwd=project)
    repository = Counting(DirectoryRepository(tmp_path / "registry"))
    push_with_record(made.fpack, tmp_path / "a.tar", repository)
    source = Store(Path(made.fpack.env["FPACK_ROOT"]))
    path = parse(image_file.manifest(image_file.read(tmp_path / "a.tar")).head.image.path)
    pushed = Pushed(repository, source, path)
    documents = pushed.documents()
    if name == "#replacing":
        assert documents.record.contents
    if name == "#grouped":
        assert any(len(layer.parts) > 1 for layer in documents.head.layers)
    found = pushed.pull(store)
    for path in found.added:
        mine, theirs = store.info(path), source.info(path)
        assert (
            mine is not None and theirs is not None and mine[:3] == theirs[:3] and mine.references == theirs.references
        )
    source.close()


def test_paths_that_the_store_has_are_not_fetched(pushed: Pushed, store: Store) -> None:
    pushed.pull(store)
    before = len(pushed.repository.asked)
    found = pushed.pull(store)
    assert found.added == () and found.fetched == 0
    assert "blob" not in {method for method, digest in pushed.repository.asked[before:] if digest in layers(pushed)}


def layers(pushed: Pushed) -> list[str]:
    return [layer.blob.digest for layer in pushed.documents().head.layers]


def test_only_the_layers_of_missing_paths_are_fetched(pushed: Pushed, store: Store) -> None:
    pushed.pull(store)
    documents = pushed.documents()
    gone = documents.head.layers[0]
    part = parse(gone.parts[0][0])
    store.invalidate(
        [pushed.path, part, *(path for path, table in documents.record.tables.items() if table.references)]
    )
    before = len(pushed.repository.asked)
    found = pushed.pull(store)
    # The layer's output is in the store, so its parts are read from there.
    assert part in found.added and found.fetched == 0
    assert not [
        digest for method, digest in pushed.repository.asked[before:] if method == "blob" and digest in layers(pushed)
    ]


def truncated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    data = b"".join(pieces)
    yield data[: len(data) // 2]
    raise Unavailable("The registry does not answer", where="registry")


def test_an_interrupted_pull_goes_on_within_a_blob(pushed: Pushed, store: Store) -> None:
    largest = max(pushed.documents().head.layers, key=lambda layer: layer.blob.size).blob
    pushed.repository.blobs[largest.digest] = truncated
    with pytest.raises(Unavailable):
        pushed.pull(store)
    assert not [*store.database.origins()] and store.info(pushed.path) is None
    assert not list((store.root / "store").iterdir())
    del pushed.repository.blobs[largest.digest]
    before = len(pushed.repository.asked)
    found = pushed.pull(store)
    asked = {digest: method for method, digest in pushed.repository.asked[before:]}
    assert asked[largest.digest] == f"blob from {largest.size // 2}"
    assert found.fetched < sum(layer.blob.size for layer in pushed.documents().head.layers)
    assert store.info(pushed.path) is not None


def test_what_an_interrupted_pull_kept_is_compared(pushed: Pushed, store: Store) -> None:
    largest = max(pushed.documents().head.layers, key=lambda layer: layer.blob.size).blob
    pushed.repository.blobs[largest.digest] = truncated
    with pytest.raises(Unavailable):
        pushed.pull(store)
    kept = store.root / "partial" / f"blob-{largest.digest[7:]}" / "blob"
    kept.write_bytes(b"x" * kept.stat().st_size)
    del pushed.repository.blobs[largest.digest]
    with pytest.raises(FpackError):
        pushed.pull(store)
    assert store.info(pushed.path) is None
    assert pushed.pull(store).path == pushed.path


def changed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    data = bytearray(b"".join(pieces))
    data[len(data) // 2] ^= 1
    yield bytes(data)


def longer(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    yield b"more"


def nothing(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return iter(())


@pytest.mark.parametrize("change", [changed, longer, nothing])
def test_a_damaged_blob_adds_nothing(
    pushed: Pushed, store: Store, change: Callable[[Iterator[bytes]], Iterator[bytes]]
) -> None:
    for digest in layers(pushed):
        pushed.repository.blobs[digest] = change
        with pytest.raises(FpackError):
            pushed.pull(store)
        del pushed.repository.blobs[digest]
        break
    assert store.info(pushed.path) is None and not [*(store.root / "store").iterdir()]
    assert pushed.pull(store).path == pushed.path


def test_two_layers_that_were_swapped_are_refused(pushed: Pushed, store: Store) -> None:
    first, second, *_ = layers(pushed)
    other = b"".join(pushed.store.tree(parse(pushed.documents().head.layers[1].path)).chunks("blob"))
    pushed.repository.blobs[first] = lambda pieces: iter([other])
    with pytest.raises(FpackError):
        pushed.pull(store)
    assert store.info(pushed.path) is None and second


# Records that lie.

Record = StoreRecord


def with_an_evil_file(record: Record, path: StorePath) -> tuple[Record, StorePath]:
    """Return a table with another file than the layer's, and the path that has this table."""
    table = record.tables[path]
    entries, extra = meta.decode(table.meta)
    number = next(number for number, entry in enumerate(entries) if entry.kind == meta.FILE)
    evil = b"#!/bin/sh\necho evil\n"
    entries[number] = entries[number]._replace(blake3=blake3(evil).digest(), size=len(evil))
    data = meta.encode(entries, extra)
    tree: Node = {b"data": meta.directory_of(entries), b"meta": FileNode(blake3(data).digest(), len(data), False)}
    made = make(path.name, tree_digest(tree), sorted(table.references))
    tables = {**record.tables, made: table._replace(meta=data)}
    return record._replace(tables=tables, contents={**record.contents, blake3(evil).digest(): evil}), made


def an_additional_table(record: Record) -> Record:
    path = next(path for path, table in sorted(record.tables.items()) if meta.decode(table.meta)[0])
    return with_an_evil_file(record, path)[0]


def wrong_table(record: Record) -> Record:
    path, table = next(iter(sorted(record.tables.items())))
    entries, extra = meta.decode(table.meta)
    return record._replace(tables={**record.tables, path: table._replace(meta=meta.encode(entries, {**extra, "x": 1}))})


def without_a_table(record: Record) -> Record:
    path = next(iter(sorted(record.tables)))
    return record._replace(tables={other: table for other, table in record.tables.items() if other != path})


def another_image(record: Record) -> Record:
    return record._replace(image=StorePath("0" * 32, record.image.name))


def without_built_paths(record: Record) -> Record:
    return record._replace(built={})


def other_references(record: Record) -> Record:
    path = next(iter(sorted(record.built)))
    return record._replace(built={**record.built, path: (record.image,)})


def in_another_format(record: Record) -> Record:
    fields = canonical.decode(record.record)
    return record._replace(record=canonical.encode({**fields, "format": 9}))


def with_another_root(record: Record) -> Record:
    """Return an image's record that leads to another root than that of its layers."""
    fields = canonical.decode(record.record)
    return record._replace(record=canonical.encode({**fields, "root": fields["files"]}))


LIES = [
    an_additional_table, wrong_table, without_a_table, another_image, without_built_paths, other_references,
    in_another_format, with_another_root,
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_record_that_lies_adds_nothing(pushed: Pushed, store: Store, lie: Callable[[Record], Record]) -> None:
    documents = pushed.documents()
    record = lie(documents.record)
    assert record != documents.record
    decoded = decode(record.encode(), "test")
    assert decoded == record
    image = remote(pushed.repository)
    archive = image.archive()
    found = image_file.read(image)
    with pytest.raises(FpackError):
        head = documents.head
        whole = [
            archive.open(f"blobs/{digest.replace(':', '/')}").read()
            for digest in (head.image.config.digest, found.digest)
        ]
        expected = expect(head, documents.entries, record, whole[0], whole[1])
        ImageIntake(store, pushed.repository, head, documents.entries, record, expected, lambda absent: None).run()
    assert store.info(pushed.path) is None and not [*(store.root / "store").iterdir()]


def test_a_manifest_and_a_record_that_lie_together_are_refused(pushed: Pushed) -> None:
    """Both name a part with another file than the layer has. All paths have the hashes of their content."""
    documents = pushed.documents()
    image = remote(pushed.repository)
    archive, head = image.archive(), documents.head
    number, layer = next(
        (number, layer) for number, layer in enumerate(head.layers)
        if not layer.parts[0][1] and any(row.kind == FILE for row in documents.entries[number])
    )  # fmt: skip
    record, made = with_an_evil_file(documents.record, parse(layer.parts[0][0]))
    parts = ((str(made), ""), *layer.parts[1:])
    fields = canonical.decode(record.record)
    fields["layers"][number]["parts"] = [list(part) for part in parts]
    files = {
        name: archive.open(f"blobs/{digest.replace(':', '/')}").read()
        for name, digest in (("config", head.image.config.digest), ("manifest", head.image.manifest.digest))
    }
    files["image"] = canonical.encode(fields)
    nodes: Node = {name.encode(): FileNode(blake3(data).digest(), len(data), False) for name, data in files.items()}
    path = make(record.image.name, tree_digest(nodes), sorted(documents.expected.references))
    lying = head._replace(
        image=head.image._replace(path=str(path)),
        layers=tuple(one._replace(parts=parts) if at == number else one for at, one in enumerate(head.layers)),
    )
    record = record._replace(image=path, record=files["image"])
    with pytest.raises(RecordError, match="does not fit"):
        expect(lying, documents.entries, record, files["config"], files["manifest"])
    # A manifest whose entries fit the table does not fit the layer.
    evil = next(entry for entry in meta.decode(record.tables[made].meta)[0] if entry.kind == meta.FILE)
    rows = [
        row._replace(blake3=evil.blake3, size=evil.size) if os.fsdecode(row.path) == evil.path else row
        for row in documents.entries[number]
    ]
    blob = b"".join(pushed.store.tree(parse(layer.path)).chunks("blob"))
    with pytest.raises(FpackError, match="not the one of the image's manifest"):
        read_layer(layer, rows, iter([blob]), _Reading())


class _Reading:
    """A sink that reads everything."""

    def take(self, entry: ManifestEntry, content: Iterator[bytes]) -> None:
        for _ in content:
            pass


def test_records_of_others_do_not_hide_the_right_one(pushed: Pushed, store: Store) -> None:
    documents = pushed.documents()
    digest = documents.head.image.manifest
    for data in (b"junk", wrong_table(documents.record).encode()):
        subject = spec.Descriptor(*digest)
        artifact = referrer.of_document(subject, ARTIFACT, data, "evil")
        for name, body in artifact.blobs.items():
            assert isinstance(body, bytes)
            if name != artifact.entry["digest"]:
                write(pushed.repository, body)
        pushed.repository.write_manifest(artifact.blobs[artifact.entry["digest"]], MANIFEST)  # type: ignore[arg-type]
    assert pushed.pull(store).path == pushed.path


@pytest.mark.parametrize("data", [b"", b"junk", zstandard.compress(b"\xc1"), zstandard.compress(bytes(1 << 20))])
def test_records_that_cannot_be_read(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode(data, "test")


# Layers that lie: the blob has its digest, and the manifest is about it, but they disagree.


def hostile_layer(*members: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, target in members:
            info = tarfile.TarInfo(path)
            if target:
                info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info, io.BytesIO())
    return out.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        [("../../../etc/passwd", "")],
        [("/etc/passwd", "")],
        [("usr", "/"), ("usr/evil", "")],
        [("usr/bin/../../evil", "")],
        [("a" * 90, "x" * 90)],
    ],
    ids=["traversal", "absolute", "through a link", "dots", "unknown"],
)
def test_a_layer_that_writes_elsewhere_is_refused(pushed: Pushed, members: list[tuple[str, str]]) -> None:
    documents = pushed.documents()
    layer = documents.head.layers[0]
    data = hostile_layer(*members)
    digest = digest_of(data)
    lying = layer._replace(
        blob=layer.blob._replace(media_type=LAYER_TYPE, digest=digest, size=len(data)), diff_id=digest
    )

    with pytest.raises(FpackError):
        read_layer(lying, documents.entries[0], iter([data]), _Reading())


def test_a_table_of_many_small_values_is_refused_before_they_are_built(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = StoredTable(canonical.encode({"format": 1, "entries": [[]] * 3_000_000}))
    monkeypatch.setattr(msgpack, "unpackb", None)
    with pytest.raises(RecordError, match="does not fit") as caught:
        read_table(pushed.path, table)
    assert "too many values" in caught.value.why


def test_a_record_that_decodes_to_too_many_values_is_refused(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes can be millions of values: the memory is limited while a record is decoded."""
    bomb = zstandard.compress(canonical.encode({"format": 1, "more": [{}] * 500_000}))
    monkeypatch.setattr(image_documents.embedded_manifest, "attached", lambda *about: [(ARTIFACT, bomb)])
    with pytest.raises(RecordError) as caught:
        pushed.documents()
    assert caught.value.why == "'contents' is missing or unknown"  # it was decoded, and lacks a field
    monkeypatch.setattr(image_documents, "MEMORY", 0)
    with pytest.raises(FpackError) as caught_early:
        pushed.documents()
    assert caught_early.value.why != "'contents' is missing or unknown"
