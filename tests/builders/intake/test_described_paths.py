"""Paths that an image's documents describe are registered without their files, and only if they are proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.intake import described_paths, image_documents
from fpack.builders.intake.image_documents import ImageDocuments
from fpack.builders.intake.store_record import RecordError, decode
from fpack.builders.kinds import layer as layer_kind
from fpack.builders.payload import meta
from fpack.cli.images import image_file
from fpack.store.errors import DamagedPath
from fpack.store.path import parse
from fpack.store.store import Store
from support.images.greeter import Greeter
from support.images.pushed import attach_record, push, remote


@pytest.fixture
def documents(made: Greeter, tmp_path: Path) -> ImageDocuments:
    repository = DirectoryRepository(tmp_path / "registry")
    push(made.tar, repository)
    source = Store(Path(made.fpack.env["FPACK_ROOT"]))
    path = parse(image_file.manifest(image_file.read(made.tar)).head.image.path)
    attach_record(source, path, repository)
    source.close()
    image = remote(repository)
    found = image_file.read(image)
    assert found.data is not None
    return image_documents.read(image.archive(), found.digest, found.data, str(image))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "empty")
    yield opened
    opened.close()


def test_what_was_searched_in_vain_has_a_table(documents: ImageDocuments) -> None:
    packages = {meta.decode(table.meta)[1]["package"] for table in documents.record.searched.values()}
    assert "idle" in packages
    assert decode(documents.record.encode(), "test") == documents.record


def test_tables_and_descriptions_can_be_read_and_files_are_damage(documents: ImageDocuments, store: Store) -> None:
    slices, layers = [*described_paths.slices(documents)], [*described_paths.layers(documents)]
    assert slices and layers and all(described.outputs for described in (*slices, *layers))
    for described in (*slices, *layers):
        described_paths.register(store, described)
        assert store.database.built(described.outputs[0]) == described.path
    for described in slices:
        tree = store.tree(described.path)
        entries, _ = meta.load(tree)
        for entry in (entry for entry in entries if entry.kind == meta.FILE):
            with pytest.raises(DamagedPath):
                meta.read_file(tree.disk / "data" / entry.path, entry.blake3, 10)
    for described, layer in zip(layers, documents.head.layers, strict=True):
        tree = store.tree(described.path)
        assert layer_kind.read(tree).digest == layer.blob.digest
        with pytest.raises(DamagedPath):
            list(tree.chunks("blob"))
        assert tree.file_digest("blob") == documents.record.blobs[described.path]


def test_another_blob_of_a_layer_is_refused(documents: ImageDocuments) -> None:
    record = documents.record
    path = min(record.blobs)
    for blobs, why in (({**record.blobs, path: bytes(32)}, "does not fit"), ({}, "an earlier fpack")):
        with pytest.raises(RecordError) as caught:
            list(described_paths.layers(documents._replace(record=record._replace(blobs=blobs))))
        assert why in f"{caught.value.what} {caught.value.why}"


def test_another_table_of_a_searched_slice_is_refused(documents: ImageDocuments) -> None:
    record = documents.record
    path, table = next(iter(record.searched.items()))
    entries, extra = meta.decode(table.meta)
    searched = {path: table._replace(meta=meta.encode(entries, {**extra, "version": "9"}))}
    with pytest.raises(RecordError):
        list(described_paths.slices(documents._replace(record=record._replace(searched=searched))))


def test_paths_of_derivations_that_make_no_slices_are_ignored(documents: ImageDocuments) -> None:
    """A record that names another derivation, such as that of a build, cannot give it a slice for an output."""
    record = documents.record
    other = next(bytes.fromhex(name) for name, drv in documents.derivations.items() if drv.kind != "slice")
    makers = dict.fromkeys([*record.tables, *record.searched], (other,))
    found = described_paths.slices(documents._replace(record=record._replace(makers=makers)))
    assert not [output for described in found for output in described.outputs if output.derivation == other]
