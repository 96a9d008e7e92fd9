"""List the signatures and documents that an image file carries, as they describe themselves. Check no signature."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from fpack.builders.attest import cosign, dsse
from fpack.builders.attest.cosign import SIMPLE_SIGNING, SignedLayer
from fpack.builders.attest.dsse import EnvelopeError
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.manifest.format import Blob
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import BadDocument, blob_name, descriptor
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import ImageArchive, ImageLocation, open_archive
from fpack.builders.verify.signatures import IMAGE, KINDS, OTHER

DOCUMENT = "document"  # something that is not signed
MAX_DOCUMENTS = 256
MAX_BYTES = 64 << 20  # of all envelopes together


class AttachedDocument(NamedTuple):
    """A signature or a document in an image file.

    what: of DOCUMENT, and the kinds of `builders.verify.signatures`. type: of the artifact or the signed statement, as
    the file says. keys: for each signature the id of its key that it names, "" if none. problem: why it cannot be read.
    """

    what: str
    type: str
    keys: tuple[str, ...] = ()
    problem: str = ""


def attached(path: ImageLocation) -> list[AttachedDocument]:
    """Return what the image at a path or in a registry carries beside the image: at most MAX_DOCUMENTS."""
    found: dict[AttachedDocument, None] = {}
    with contextlib.closing(open_archive(path, Report())) as archive:
        try:
            for document in _Attachments(archive).read():
                found[document] = None
                if len(found) >= MAX_DOCUMENTS:
                    break
        except (BadDocument, EnvelopeError, RecursionError, OSError) as error:
            why = getattr(error, "why", "") or getattr(error, "strerror", "") or "it is nested too deeply"
            found[AttachedDocument(OTHER, "", (), why)] = None
    return list(found)


class _Attachments:
    """The artifacts of an archive."""

    def __init__(self, archive: ImageArchive) -> None:
        self._archive = archive
        self._left = MAX_BYTES

    def read(self) -> Iterator[AttachedDocument]:
        layers: dict[SignedLayer, None] = {}
        entries = [(entry, REFERRERS) for entry in embedded_manifest.entries(self._archive)]
        for entry, where in [*entries, *self._tagged()]:
            blob = descriptor(entry, where)
            if blob.media_type == documents.INDEX:
                continue  # a list of referrers, which the file has too
            artifact, blobs = embedded_manifest.artifact(self._archive, blob)
            signed = cosign.signed_layers(artifact, blobs)
            if not signed and "artifactType" in artifact:
                yield AttachedDocument(DOCUMENT, str(artifact["artifactType"]))
            layers |= dict.fromkeys(signed)
        for layer in layers:
            yield self._signed(layer)

    def _tagged(self) -> list[tuple[object, str]]:
        """Return the entries of `index.json` by which cosign finds signatures."""
        where = "index.json"
        if where not in self._archive.sizes:
            return []
        value = documents.read(self._archive, where).value
        found = value.get("manifests") if isinstance(value, dict) else None
        return [(entry, where) for entry in found if cosign.is_attachment(entry)] if isinstance(found, list) else []

    def _signed(self, layer: SignedLayer) -> AttachedDocument:
        if layer.blob.media_type == SIMPLE_SIGNING:
            return AttachedDocument(IMAGE, "", ("",))
        kind = KINDS.get(layer.predicate_type, OTHER)
        try:
            envelope = dsse.parse(self._data(layer.blob), blob_name(layer.blob.digest))
        except (EnvelopeError, BadDocument) as error:
            return AttachedDocument(kind, layer.predicate_type, (), error.why)
        return AttachedDocument(kind, layer.predicate_type, tuple(item.keyid for item in envelope.signatures))

    def _data(self, blob: Blob) -> bytes:
        self._left -= blob.size
        if self._left < 0:
            raise BadDocument(blob_name(blob.digest), f"the signed documents have more than {MAX_BYTES} bytes")
        return embedded_manifest.blob(self._archive, documents.value_of(blob), dsse.MEDIA_TYPE, dsse.MAX_ENVELOPE)
