"""Find an image's record of store paths in a repository, and compare it with the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.manifest.format import Head, ManifestEntry
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.verify import embedded_manifest, manifest_loading
from fpack.builders.verify.documents import blob_name
from fpack.builders.verify.image_archive import ImageArchive
from fpack.store.derivation import Derivation
from fpack.store.errors import FpackError

from .expected_trees import ExpectedImage, expect
from .store_record import ARTIFACT, MAX_SIZE, RecordError, StoreRecord, decode

MAX_CONFIG = 4 << 20  # bytes
# The limit of the process's data while it decodes a record. A valid one needs three times its size.
MEMORY = 4 * MAX_SIZE


class ImageDocuments(NamedTuple):
    """The documents of an image that can be pulled. entries: of each layer. derivations: of the manifest."""

    head: Head
    entries: Sequence[Sequence[ManifestEntry]]
    derivations: dict[str, Derivation]
    record: StoreRecord
    expected: ExpectedImage


def read(archive: ImageArchive, digest: str, data: bytes, where: str) -> ImageDocuments:
    """Read the documents of an image. digest: of the image. data: its exact manifest in canonical form.

    Raise RecordError if the image has no record of its store paths, or none that fits it.
    """
    with manifest_loading.bounded():
        reader = ManifestReader(data, where)
        entries = [list(rows) for _, rows in reader.entries()]
    head = reader.head
    if head.image.manifest.digest != digest:
        raise RecordError(
            "The image is a copy that has other documents or another compression", where=where,
            why=f"its manifest is about {head.image.manifest.digest}",
            hint="fpack verify tells what differs; fpack try runs it",
        )  # fmt: skip
    manifest = _whole(archive, digest, head.image.manifest.size)
    config = _whole(archive, head.image.config.digest, head.image.config.size)
    problem: FpackError | None = None
    for _, body in embedded_manifest.attached(archive, digest, {ARTIFACT}):
        try:
            with manifest_loading.bounded(MEMORY):  # few bytes can decode to very many values
                record = decode(body, where)
            return ImageDocuments(
                head, entries, dict(reader.derivations), record, expect(head, entries, record, config, manifest)
            )
        except FpackError as error:
            problem = problem or error  # another one may fit
    if problem is not None:
        raise problem
    raise RecordError(
        "The image has no record of its store paths", where=where, why="the registry has none with it",
        hint="push it with fpack push from a store that has it; fpack try runs it as it is",
    )  # fmt: skip


def _whole(archive: ImageArchive, digest: str, size: int) -> bytes:
    if size > MAX_CONFIG:
        raise RecordError("A document of the image is too large", where=digest, why=f"it has {size} bytes")
    with archive.open(blob_name(digest)) as file:
        data = b""
        while len(data) < size and (piece := file.read(size - len(data))):
            data += piece
    return data
