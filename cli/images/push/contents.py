"""Collect what a push of an image sends: from the store, without writing an archive, or from an image file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from fpack.builders.distribution.pusher import Chunks, LateDocument, PushedImage, PushedManifest, manifest
from fpack.builders.oci import spec
from fpack.builders.streams.output_file import StoredFile
from fpack.light_typing import TYPE_CHECKING, Any, TypeAlias
from fpack.store.errors import FpackError

from .records import STORE_RECORD

if TYPE_CHECKING:
    from fpack.builders.distribution.reference import Reference
    from fpack.builders.manifest.referrer import Referrer
    from fpack.builders.verify.image_archive import ImageArchive, ImageLocation
    from fpack.cli.images.packing import PackedImage
    from fpack.store.path import StorePath
    from fpack.store.store import Store

# An unchanged push takes hardly longer than its imports: functions import what they alone use.
CHUNK = 1 << 20
MAX_REFERRER = 4 << 20  # bytes
_EMPTY = b"{}"  # the configuration of a document about an image


class NotPushable(FpackError):
    """A file that has no image that a registry can keep."""


def of_packed(made: PackedImage) -> PushedImage:
    """Return what a push of an image that was packed sends."""
    from fpack.builders.manifest import referrer
    from fpack.cli.images import formats

    blobs: dict[str, _Source] = {f"sha256:{path.rpartition('/')[2]}": one for path, one in made.bundle.blobs.items()}
    # The layers of a base are in a registry: they are read only if the other one cannot have them in another way.
    blobs |= {layer["digest"]: _RemoteLayer(layer) for layer in made.below}
    about = [*(referrer.read(tree) for tree in made.manifests), *formats.other_referrers(made)]
    top = json.loads(made.bundle.index_json)["manifests"][0]
    late = [LateDocument(f"{STORE_RECORD}{path}", partial(_record, store, path)) for store, path in made.paths]
    return _image(top["digest"], blobs, about)._replace(late=late if made.manifests else ())


def _record(store: Store, path: StorePath) -> PushedManifest | None:
    from . import store_records

    return store_records.of_store(store, path, _referrer)


class _RemoteLayer:
    """A layer of a base, in its registry. layer: its record, see `packing.base_layers`."""

    def __init__(self, layer: Mapping[str, Any]) -> None:
        self._layer = layer

    def read(self, offset: int) -> Iterator[bytes]:
        from fpack.builders.distribution.addresses import open_repository
        from fpack.builders.distribution.protocol import BlobEntry

        layer = self._layer
        entry = BlobEntry(layer["media_type"], layer["digest"], layer["size"])
        return open_repository(layer["urls"][0], plain_http=True).read_blob(entry, offset)


_Source: TypeAlias = bytes | StoredFile | _RemoteLayer


def _image(top: str, blobs: Mapping[str, _Source], about: Iterable[Referrer]) -> PushedImage:
    data = _content(blobs[top])
    parts = [row["digest"] for row in json.loads(data).get("manifests", ())]
    found = manifest(data, spec.INDEX if parts else spec.MANIFEST, lambda digest: _chunks(blobs[digest]))
    images = [manifest(_content(blobs[part]), spec.MANIFEST, lambda digest: _chunks(blobs[digest])) for part in parts]
    referrers = sorted((_referrer(one) for one in about), key=lambda one: one.digest)
    return PushedImage(found, images, referrers)


def _referrer(one: Referrer) -> PushedManifest:
    own = {spec.digest(_EMPTY): _EMPTY, **one.blobs}
    data = _content(own[one.entry["digest"]])
    return manifest(data, spec.MANIFEST, lambda digest: _chunks(own[digest]), subject=_subject(data))


def _subject(data: bytes) -> str:
    value = json.loads(data).get("subject")
    return str(value["digest"]) if isinstance(value, dict) else ""


def _content(source: _Source) -> bytes:
    assert not isinstance(source, _RemoteLayer)  # it is no document
    return source if isinstance(source, bytes) else source.tree.read(source.name, MAX_REFERRER)


def _chunks(source: _Source) -> Chunks:
    """Return the content of a blob from an offset on. A file of the store is compared while it is read."""
    if isinstance(source, bytes):
        return lambda offset: iter((source[offset:],))
    if isinstance(source, _RemoteLayer):
        return source.read

    def read(offset: int) -> Iterator[bytes]:
        at = 0
        for chunk in source.tree.chunks(source.name):
            if at + len(chunk) > offset:
                yield chunk[max(offset - at, 0) :]
            at += len(chunk)

    return read


def opened(image: ImageLocation) -> ImageArchive:
    """Open an image file, or an image in a registry with its signatures."""
    if isinstance(image, Path):
        from fpack.cli.images import image_file

        return image_file.opened(image)
    from fpack.builders.intake.repository_archive import RepositoryArchive

    archive = image.archive()
    return archive.with_signatures() if isinstance(archive, RepositoryArchive) else archive


def reference_of(image: ImageLocation) -> Reference | None:
    """Return the reference of an image in a registry, or None for a file."""
    if isinstance(image, Path):
        return None
    from fpack.builders.intake.repository_archive import RemoteImage

    return image.reference if isinstance(image, RemoteImage) else None


def of_file(archive: ImageArchive, where: str) -> PushedImage:
    """Return what a push of the image in an archive sends. Raise FpackError if there is not one.

    Signatures get the tags by which cosign finds them, too.
    """
    from fpack.builders.attest import cosign
    from fpack.builders.intake.store_record import ARTIFACT
    from fpack.builders.verify import documents, embedded_manifest
    from fpack.builders.verify.documents import descriptor

    from . import store_records

    if "index.json" not in archive.sizes:
        raise NotPushable(
            "This file is not an OCI image, as registries keep them",
            where=where,
            why="it has no index.json",
            hint="write it with fpack pack, podman save --format oci-archive, or skopeo copy ... oci:DIRECTORY",
        )
    rows = documents.read(archive, "index.json").value
    entries = rows.get("manifests") if isinstance(rows, dict) else None
    found = [row for row in entries if not cosign.is_attachment(row)] if isinstance(entries, list) else []
    if len(found) != 1:
        raise NotPushable(
            f"The file has {len(found) or 'no'} images",
            where=where,
            why="fpack pushes the image of a file that has one",
        )
    files = _ArchivedBlobs(archive, where)
    top = files.manifest(descriptor(found[0], "index.json").digest, str(found[0].get("mediaType")))
    parts = [
        files.manifest(descriptor(row, "index.json").digest, str(row.get("mediaType")))
        for row in json.loads(top.data).get("manifests", ())
    ]
    kinds = {kind: name for name, kind in cosign.ARTIFACTS.items()}
    referrers: dict[str, PushedManifest] = {}
    for row in embedded_manifest.entries(archive):
        one = files.manifest(descriptor(row, "index.json").digest, str(row.get("mediaType")))
        kind = kinds.get(str(row.get("artifactType")), "")
        referrers[one.digest] = one._replace(tag=cosign.tag(one.subject, kind) if kind and one.subject else "")
    # cosign's own files list signatures beside the image.
    for row in (row for row in entries or () if cosign.is_attachment(row)):
        if (tag := cosign.tag_of(row, top.digest)) and descriptor(row, "index.json").digest not in referrers:
            one = files.manifest(descriptor(row, "index.json").digest, str(row.get("mediaType")))
            referrers[one.digest] = one._replace(tag=tag)
    having = {one.subject for one in referrers.values() if json.loads(one.data).get("artifactType") == ARTIFACT}
    late = store_records.of_archive(archive, having, _referrer)
    return PushedImage(top, parts, sorted(referrers.values(), key=lambda one: one.digest), late)


class _ArchivedBlobs:
    """The blobs of an archive. where: its path, for messages."""

    def __init__(self, archive: ImageArchive, where: str) -> None:
        from fpack.builders.verify.image_archive import LayoutArchive, TarArchive

        self._archive = archive
        self._local = archive if isinstance(archive, (LayoutArchive, TarArchive)) else None
        self._where = where

    def manifest(self, digest: str, media_type: str) -> PushedManifest:
        """Return a manifest, compared with its digest."""
        from fpack.builders.verify import documents

        name = documents.blob_name(digest)
        if name not in self._archive.sizes or self._archive.sizes[name] > documents.MAX_DOCUMENT:
            raise NotPushable("A manifest of the image is missing or too large", where=self._where, why=name)
        data = b"".join(self._chunks(digest)(0))
        value: Any = documents.parse(data, name)
        if spec.digest(data) != digest or not isinstance(value, dict):
            raise NotPushable("A manifest of the image differs from its digest", where=self._where, why=name)
        rows = [*([value["config"]] if "config" in value else []), *(value.get("layers") or ())]
        for row in rows:
            blob = documents.descriptor(row, name)
            if self._archive.sizes.get(documents.blob_name(blob.digest)) != blob.size:
                raise NotPushable("A blob of the image is missing or incomplete", where=self._where, why=blob.digest)
        return manifest(data, media_type, self._chunks, subject=_subject(data))

    def _chunks(self, digest: str) -> Chunks:
        from fpack.builders.verify.documents import blob_name

        name = blob_name(digest)

        def read(offset: int) -> Iterator[bytes]:
            try:
                yield from self._read(name, offset) if self._local is not None else self._skip(name, offset)
            except OSError as error:
                raise NotPushable("The image cannot be read", where=self._where, why=error.strerror or "") from None

        return read

    def _skip(self, name: str, offset: int) -> Iterator[bytes]:
        """Read a file of an archive in a registry."""
        at = 0
        with self._archive.open(name) as file:
            while piece := file.read(CHUNK):
                if at + len(piece) > offset:
                    yield piece[max(offset - at, 0) :]
                at += len(piece)

    def _read(self, name: str, offset: int) -> Iterator[bytes]:
        """Read a file of an archive on disk. Several threads may do so at once."""
        assert self._local is not None
        path, start = self._local.position(name)
        at, left = start + offset, self._archive.sizes[name] - offset
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotPushable("The image changed while it was pushed", where=self._where, why=name)
            while left > 0 and (piece := os.pread(fd, min(CHUNK, left), at)):
                at += len(piece)
                left -= len(piece)
                yield piece
        finally:
            os.close(fd)
