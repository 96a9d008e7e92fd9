"""Find the manifests that an image carries, and check them and the other artifacts about the image."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from fpack.builders.attest import cosign
from fpack.builders.attest.cosign import SignedLayer
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.manifest.format import ARTIFACTS, MAX_SIZE, SOURCES, Blob, media_types
from fpack.builders.streams.stream import ArchiveError, Section, blocks
from fpack.light_typing import Any
from fpack.store.errors import FpackError

from . import documents
from .documents import BadDocument, blob_name, descriptor, shown
from .findings import BLOB, DOCUMENT, MANIFEST, Report
from .image_archive import ImageArchive, pieces

MAX_LIST = 1 << 20  # bytes
MAX_MANIFESTS = 64
MAX_DOCUMENT = 64 << 20  # of one that is attached
MAX_MANIFEST_BYTES = 4 * MAX_SIZE  # of all manifests together, decompressed
_FIELDS = {"mediaType", "digest", "size", "artifactType", "annotations"}


def find(archive: ImageArchive) -> list[bytes]:
    """Return the canonical manifests that an image carries: at most one for each platform.

    Raise BadDocument if a manifest is incomplete or damaged, or if they are too large together.
    """
    return [data for _, data in find_blobs(archive)]


def find_blobs(archive: ImageArchive) -> list[tuple[Blob, bytes]]:
    """Return the canonical manifests that an image carries as `find` does, each with its compressed blob."""
    found: list[tuple[Blob, bytes]] = []
    left = MAX_MANIFEST_BYTES
    if REFERRERS not in archive.sizes:
        return found
    for entry in _entries(archive):
        if isinstance(entry, dict) and entry.get("artifactType") in ARTIFACTS:
            artifact = _artifact(archive, descriptor(entry, REFERRERS))
            if len(found) >= MAX_MANIFESTS:
                raise BadDocument(REFERRERS, f"the image carries more than {MAX_MANIFESTS} manifests")
            exact, _ = media_types(str(entry["artifactType"]))
            for layer in _layers(artifact):
                if layer.media_type == exact:
                    found.append((layer, _data(archive, layer)))
                    left -= len(found[-1][1])
                    if left < 0:
                        raise BadDocument(REFERRERS, f"its manifests have more than {MAX_MANIFEST_BYTES} bytes")
    return found


def sources(archive: ImageArchive, image: str) -> list[Blob]:
    """Return the closure files with the sources of an image. image: its digest. Raise BadDocument as `find` does."""
    found: list[Blob] = []
    for artifact in artifacts(archive, image):
        if artifact.get("artifactType") in ARTIFACTS:
            found += [layer for layer in _layers(artifact) if layer.media_type == SOURCES]
    return list(dict.fromkeys(found))[:MAX_MANIFESTS]


def artifacts(archive: ImageArchive, image: str) -> Iterator[dict[str, Any]]:
    """Yield the artifacts about an image. image: its digest. Raise BadDocument as `find` does."""
    for entry in _entries(archive) if REFERRERS in archive.sizes else []:
        if isinstance(entry, dict):
            artifact = _artifact(archive, descriptor(entry, REFERRERS))
            subject = artifact.get("subject")
            if isinstance(subject, dict) and subject.get("digest") == image:
                yield artifact


def blob(archive: ImageArchive, entry: Any, media_type: str, most: int) -> bytes:
    """Read the blob of a descriptor. Raise BadDocument if it has another type, digest or size, or more than `most`."""
    about = descriptor(entry, REFERRERS)
    name = blob_name(about.digest)
    if about.media_type != media_type:
        raise BadDocument(name, f"it is {shown(about.media_type)}, not {media_type}")
    size = archive.sizes.get(name)
    if size != about.size or size > most:
        raise BadDocument(name, f"it has {size} bytes; its descriptor says {about.size}, and {most} are the most")
    data = b"".join(pieces(archive, name))
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != about.digest:
        raise BadDocument(name, "its content does not match its digest")
    return data


def attached(archive: ImageArchive, image: str, types: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield type and content of each document about an image, whose type is its artifact's. image: its digest."""
    for value in artifacts(archive, image):
        media_type, layers = str(value.get("artifactType")), value.get("layers")
        if media_type in types and isinstance(layers, list) and layers:
            yield media_type, blob(archive, layers[0], media_type, MAX_DOCUMENT)


def entries(archive: ImageArchive) -> list[dict[str, Any]]:
    """Return the list of referrers of an archive. Raise BadDocument if it is invalid."""
    found = _entries(archive) if REFERRERS in archive.sizes else []
    if not all(isinstance(entry, dict) for entry in found):
        raise BadDocument(REFERRERS, "it is not a list of referrers")
    return found


def artifact(archive: ImageArchive, blob: Blob) -> tuple[dict[str, Any], list[Blob]]:
    """Return an artifact and its layers. Raise BadDocument if it is invalid."""
    value = _artifact(archive, blob)
    return value, _layers(value)


def _entries(archive: ImageArchive) -> list[Any]:
    value = documents.read(archive, REFERRERS, MAX_LIST).value
    entries = value.get("manifests") if isinstance(value, dict) else None
    about = {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": entries}
    if not isinstance(entries, list) or value != about:
        raise BadDocument(REFERRERS, "it is not a list of referrers")
    return entries


def _artifact(archive: ImageArchive, blob: Blob) -> dict[str, Any]:
    """Read the artifact of a descriptor."""
    name = blob_name(blob.digest)
    document = documents.read(archive, name, MAX_LIST)
    if (document.digest, document.size) != (blob.digest, blob.size):
        raise BadDocument(name, f"its content has the digest {document.digest} and {document.size} bytes")
    if not isinstance(document.value, dict):
        raise BadDocument(name, "it is not an artifact")
    return document.value


def _layers(artifact: Any) -> list[Blob]:
    layers = artifact.get("layers")
    if not isinstance(layers, list):
        raise BadDocument(REFERRERS, "an artifact has no layers")
    return [descriptor(layer, REFERRERS) for layer in layers]


def _data(archive: ImageArchive, blob: Blob) -> bytes:
    """Decompress the blob of a manifest, up to the maximum size of a manifest."""
    name = blob_name(blob.digest)
    size = archive.sizes.get(name)
    if size != blob.size:
        raise BadDocument(name, f"the manifest has {size} bytes; its descriptor says {blob.size}")
    sha256 = hashlib.sha256()
    for chunk in pieces(archive, name):
        sha256.update(chunk)
    if f"sha256:{sha256.hexdigest()}" != blob.digest:
        raise BadDocument(name, "the manifest's content does not match its digest")
    data = bytearray()
    try:
        for block in _unpacked(archive, name):
            data += block
            if len(data) > MAX_SIZE:
                raise BadDocument(name, f"the manifest decompresses to more than {MAX_SIZE} bytes")
    except ArchiveError as error:
        raise BadDocument(name, f"the manifest cannot be decompressed: {error.why}") from None
    return bytes(data)


def _unpacked(archive: ImageArchive, name: str) -> Iterator[bytes]:
    with archive.open(name) as file:
        yield from blocks(Section(file, archive.sizes[name]), "zst")


class Referrers:
    """A check of the artifacts about images. used: receives the names of the archive's files that belong to them.

    images: by digest, including an index. manifests: the manifest that each image was checked against, by digest.
    """

    def __init__(
        self,
        archive: ImageArchive,
        images: Mapping[str, Blob],
        manifests: Mapping[str, bytes],
        report: Report,
        used: set[str],
    ) -> None:
        self._archive = archive
        self._images = images
        self._manifests = manifests
        self._report = report
        self._used = used
        # The types of the artifacts other than manifests and signatures. Their content is not checked.
        self.artifacts: list[str] = []
        self.signed: dict[SignedLayer, None] = {}  # in their order
        self._hashed: set[str] = set()  # an artifact may name one blob many times

    def check(self, attachments: Sequence[Blob]) -> None:
        """Check that each referrer is a complete artifact about this image, and that its manifest is the given one.

        attachments: entries of `index.json` with signatures. What they sign is checked with the signatures.
        """
        archive = self._archive
        try:
            if REFERRERS in archive.sizes:
                self._used.add(REFERRERS)
                for entry in _entries(archive):
                    self._referrer(entry, REFERRERS)
            for blob in attachments:
                self._attachment(blob)
        except BadDocument as error:
            self._report.add(error.kind, error.where, error.why)

    def _attachment(self, blob: Blob) -> None:
        """Check the OCI image of an attachment, or each entry of a list of referrers."""
        name = blob_name(blob.digest)
        self._used.add(name)
        artifact = _artifact(self._archive, blob)
        if blob.media_type == documents.INDEX:
            entries = artifact.get("manifests")
            if not isinstance(entries, list) or len(entries) > MAX_MANIFESTS:
                raise BadDocument(name, "it is not a list of referrers")
            for entry in entries:
                self._referrer(entry, name)
        else:
            self._signatures(artifact, name)

    def _signatures(self, artifact: Any, name: str) -> None:
        """Check that an artifact holds signatures and nothing else: an engine would run the layers of an image."""
        self._blobs(artifact, name)
        for layer in _layers(artifact):
            if layer.media_type not in cosign.LAYERS:
                what = f"it is listed as signatures, and has the layer {shown(layer.media_type)}"
                self._report.add(DOCUMENT, name, what)
            elif self._archive.sizes.get(blob_name(layer.digest)) == layer.size:
                documents.read(self._archive, blob_name(layer.digest), cosign.LAYERS[layer.media_type])

    def _blobs(self, artifact: Any, name: str) -> None:
        """Check the blobs of an artifact, and collect those that hold signatures."""
        layers = _layers(artifact)
        for part in [descriptor(artifact.get("config"), name), *layers]:
            self._blob(part)
        self.signed |= dict.fromkeys(cosign.signed_layers(artifact, layers))

    def _referrer(self, entry: Any, where: str) -> None:
        """Check an artifact of a list of referrers. where: the list."""
        report = self._report
        blob = descriptor(entry, where)
        name = blob_name(blob.digest)
        self._used.add(name)
        if blob.media_type != documents.MANIFEST or entry.keys() - _FIELDS:
            report.add(DOCUMENT, f"{where}: {name}", f"its entry is invalid: {shown(entry)}")
        artifact = _artifact(self._archive, blob)
        subject = artifact.get("subject")
        digest = str(subject.get("digest")) if isinstance(subject, dict) else ""
        image = self._images.get(digest)
        if image is None or subject != documents.value_of(image):
            report.add(DOCUMENT, name, f"the artifact is about another image: {shown(subject)}")
        if artifact.get("artifactType") != entry.get("artifactType"):
            report.add(DOCUMENT, name, f"it is of the type {shown(artifact.get('artifactType'))}")
        if artifact.get("artifactType") in cosign.ARTIFACTS.values():
            self._signatures(artifact, name)
            return
        self._blobs(artifact, name)
        if artifact.get("artifactType") not in ARTIFACTS:
            self.artifacts.append(str(artifact.get("artifactType")))
        if artifact.get("artifactType") in ARTIFACTS and digest in self._manifests:
            self._manifest(artifact, self._manifests[digest])
            self._sources(artifact, self._manifests[digest])

    def _blob(self, blob: Blob) -> None:
        name = blob_name(blob.digest)
        self._used.add(name)
        size = self._archive.sizes.get(name)
        if size != blob.size:
            what = "it is missing" if size is None else f"it has {size} bytes; its descriptor says {blob.size}"
            self._report.add(BLOB, name, what)
            return
        if name in self._hashed:
            return
        self._hashed.add(name)
        sha256 = hashlib.sha256()
        for chunk in pieces(self._archive, name):
            sha256.update(chunk)
        if f"sha256:{sha256.hexdigest()}" != blob.digest:
            self._report.add(BLOB, name, f"the blob's content has the digest sha256:{sha256.hexdigest()}")

    def _manifest(self, artifact: Any, data: bytes) -> None:
        """Check that the artifact has the manifest that the image was checked against, in both forms."""
        canonical, text = media_types(str(artifact.get("artifactType")))
        layers: dict[str, Blob] = {}
        for layer in _layers(artifact):
            if layer.media_type in layers or layer.media_type not in (canonical, text, SOURCES):
                name, what = blob_name(layer.digest), f"the manifest's artifact has one more layer, {layer.media_type}"
                self._report.add(DOCUMENT, name, what)
                return
            layers |= {layer.media_type: layer} if layer.media_type != SOURCES else {}
        exact = layers.get(canonical)
        if exact is not None and _data(self._archive, exact) != data:
            self._report.add(MANIFEST, blob_name(exact.digest), "the image carries another manifest than this one")
        elif text in layers:
            self._json(layers[text], data)

    def _sources(self, artifact: Any, data: bytes) -> None:
        """Check that the artifact's closure files hold sources of the manifest and nothing else."""
        blobs = [layer for layer in _layers(artifact) if layer.media_type == SOURCES]
        if not blobs:
            return
        from fpack.builders.manifest.reader import ManifestReader

        from . import carried_sources  # of many modules, which few readers of manifests need

        trees = {source.tree for source in ManifestReader(data).head.sources}
        limits = carried_sources.SourceLimits()
        for blob in blobs:
            try:
                for _ in carried_sources.read(self._archive, blob, trees, limits):
                    pass
            except BadDocument as error:
                self._report.add(error.kind, error.where, error.why)

    def _json(self, blob: Blob, data: bytes) -> None:
        from fpack.builders.manifest import json_form
        from fpack.builders.manifest.reader import ManifestReader

        name = blob_name(blob.digest)
        wanted, length = hashlib.sha256(), 0
        for piece in json_form.render(ManifestReader(data)):
            wanted.update(piece)
            length += len(piece)
        found, size = hashlib.sha256(), 0
        try:
            for block in _unpacked(self._archive, name):
                size += len(block)
                if size > length:
                    break
                found.update(block)
        except (FpackError, KeyError):
            size = -1
        if size != length or found.digest() != wanted.digest():
            self._report.add(MANIFEST, name, "the JSON form of the manifest differs from the canonical form")
