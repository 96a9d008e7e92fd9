"""Check the signatures that an image carries: which trusted key signed the image, its manifest, or a statement on it.

The bytes that are signed are parsed only after a trusted key's signature of them is verified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.attest import cosign, dsse, statement
from fpack.builders.attest.cosign import SIMPLE_SIGNING, SignedLayer
from fpack.builders.attest.dsse import EnvelopeError
from fpack.builders.attest.keys import PublicKey
from fpack.builders.streams import strict_json

from . import embedded_manifest
from .documents import blob_name, shown
from .findings import SIGNATURE, Report
from .image_archive import ImageArchive, pieces

MAX_LAYERS = 256
MAX_BYTES = 256 << 20  # of all signed documents together
# The subjects of signatures. OTHER: a statement of a type that fpack does not know, or about another manifest.
IMAGE, MANIFEST, PROVENANCE, SBOM, VEX, OTHER = "image", "manifest", "provenance", "sbom", "vex", "other"
KINDS = {
    statement.MANIFEST: MANIFEST,
    statement.PROVENANCE: PROVENANCE,
    statement.CYCLONEDX: SBOM,
    statement.SPDX: SBOM,
    statement.OPENVEX: VEX,
}


class Trust(NamedTuple):
    """The keys that a user trusts. threshold: how many different ones must have signed a manifest.

    required: an image whose manifest is not signed so is refused. Else it is not more than consistent in itself.
    """

    keys: tuple[PublicKey, ...] = ()
    threshold: int = 1
    required: bool = False


class SignedDocument(NamedTuple):
    """Something that trusted keys signed. kind: of those above. type: of the statement, "" for an image.

    digest: of the image. platform: of the image, "" for an index of several.
    """

    kind: str
    type: str
    digest: str
    platform: str
    keys: tuple[PublicKey, ...]

    def value(self) -> dict[str, Any]:
        """Return the document as plain data for JSON."""
        keys = [{"name": key.name, "fingerprint": key.fingerprint} for key in self.keys]
        return {
            "what": self.kind,
            "type": self.type,
            "digest": self.digest,
            "platform": self.platform or None,
            "keys": keys,
        }


class Signatures(NamedTuple):
    """The signatures of an image. others: the number of documents that no trusted key signed, or that nobody checked.

    manifests: the digests of the images whose manifest enough trusted keys signed.
    """

    documents: tuple[SignedDocument, ...] = ()
    others: int = 0
    manifests: frozenset[str] = frozenset()

    def value(self) -> dict[str, Any]:
        """Return the signatures as plain data for JSON."""
        return {"signed": [document.value() for document in self.documents], "others": self.others}


class SignatureCheck:
    """A check of signed documents.

    images: the platform of each image in the archive, by digest. manifests: the SHA-256 of each image's manifest.
    """

    def __init__(
        self,
        archive: ImageArchive,
        images: Mapping[str, str],
        manifests: Mapping[str, str],
        trust: Trust,
        report: Report,
    ) -> None:
        self._archive = archive
        self._images = images
        self._manifests = manifests
        self._trust = trust._replace(keys=tuple({key.spki: key for key in reversed(trust.keys)}.values()))
        self._report = report
        self._documents: list[SignedDocument] = []
        self._others = 0
        self._left = MAX_BYTES
        self._signers: dict[str, dict[bytes, PublicKey]] = {digest: {} for digest in manifests}
        self._predicates: dict[tuple[str, str], list[Any]] = {}  # that are signed, by image and type

    def run(self, layers: Sequence[SignedLayer]) -> Signatures:
        """Check the documents in some layers. Report what trusted keys signed of other images."""
        for number, layer in enumerate(layers):
            if not self._trust.keys or number >= MAX_LAYERS:
                self._others += 1
                continue
            try:
                self._layer(layer)
            except EnvelopeError as error:
                self._report.add(SIGNATURE, error.where, f"{error.what}: {error.why}")
        self._compare_attached()
        enough = frozenset(digest for digest, keys in self._signers.items() if len(keys) >= self._trust.threshold)
        if self._trust.required:
            self._require(enough)
        return Signatures(tuple(self._documents), self._others, enough if self._trust.keys else frozenset())

    def _compare_attached(self) -> None:
        """Report each bill and provenance in the image that is not the signed one, if one of its type is signed."""
        for image in sorted({digest for digest, _ in self._predicates}):
            for media_type, data in embedded_manifest.attached(self._archive, image, {*statement.BILLS, dsse.IN_TOTO}):
                where = f"an attached document of the type {media_type}"
                try:
                    if media_type in statement.BILLS:
                        kind, value = statement.BILLS[media_type], strict_json.parse(data)
                    else:
                        found = statement.parse(data, where)
                        kind, value = found.predicate_type, found.predicate
                except (ValueError, EnvelopeError) as error:
                    self._report.add(SIGNATURE, where, f"it cannot be compared with what is signed: {error}")
                    continue
                signed = self._predicates.get((image, kind))
                if signed is not None and value not in signed:
                    self._report.add(SIGNATURE, where, "it is not the one that is signed", self._images[image])

    def _require(self, enough: frozenset[str]) -> None:
        """Report each image whose manifest is not signed."""
        for digest in sorted(self._manifests.keys() - enough):
            names = ", ".join(key.name or key.fingerprint for key in self._signers[digest].values())
            few = f"only {names} signed it; {self._trust.threshold} keys must" if names else "no given key signed it"
            others = [item for item in self._documents if (item.type, item.digest) == (statement.MANIFEST, digest)]
            if others and not names:
                few = "another manifest of the image is signed"
            self._report.add(SIGNATURE, "the manifest", few, self._images[digest] if len(self._manifests) > 1 else "")
        if not self._manifests:
            self._report.add(SIGNATURE, "the manifest", "there is no image that it is about")

    def _layer(self, layer: SignedLayer) -> None:
        where = blob_name(layer.blob.digest)
        data = self._read(layer, where)
        if data is None:
            return
        if layer.blob.media_type == SIMPLE_SIGNING:
            signature = cosign.signature(layer.annotation)
            keys = tuple(key for key in self._trust.keys if key.verifies(signature, data))
            if self._is_known(keys):
                digest = cosign.signed_digest(data, where)
                self._add(IMAGE, "", [digest] if digest in self._images else [], where, shown(digest), keys)
            return
        envelope = dsse.parse(data, where)
        keys = envelope.signers(self._trust.keys)
        if not self._is_known(keys):
            return
        if envelope.payload_type != dsse.IN_TOTO:
            self._add(OTHER, envelope.payload_type, [""], where, "", keys)
            return
        found = statement.parse(envelope.payload, where)
        about = [digest for digest in self._images if found.is_about(digest)]
        kind = KINDS.get(found.predicate_type, OTHER)
        if kind == MANIFEST:
            for digest in about:
                sha256 = self._manifests.get(digest)
                if sha256 is not None and statement.names_manifest(found.predicate, sha256):
                    self._signers[digest].update((key.spki, key) for key in keys)
                else:
                    kind = OTHER
        if found.predicate_type in (statement.PROVENANCE, statement.OPENVEX, *statement.BILLS.values()):
            for digest in about:
                self._predicates.setdefault((digest, found.predicate_type), []).append(found.predicate)
        self._add(kind, found.predicate_type, about, where, shown([name for name, _ in found.subjects]), keys)

    def _read(self, layer: SignedLayer, where: str) -> bytes | None:
        """Return a layer's bytes, or None if it is missing, which is reported elsewhere."""
        size = layer.blob.size
        if self._archive.sizes.get(where) != size:
            return None
        limit = cosign.MAX_PAYLOAD if layer.blob.media_type == SIMPLE_SIGNING else dsse.MAX_ENVELOPE
        if size > limit or size > self._left:
            raise EnvelopeError("A signed document is too large", where=where, why=f"it has {size} bytes")
        self._left -= size
        return b"".join(pieces(self._archive, where))

    def _is_known(self, keys: Sequence[PublicKey]) -> bool:
        self._others += not keys
        return bool(keys)

    def _add(
        self, kind: str, type_: str, about: Sequence[str], where: str, subject: str, keys: tuple[PublicKey, ...]
    ) -> None:
        """Record a document that `keys` signed. about: the images of the archive that it is about."""
        if not about:
            names = ", ".join(key.name or key.fingerprint for key in keys)
            self._report.add(SIGNATURE, where, f"what {names} signed is about another image: {subject}")
        for digest in about:
            self._documents.append(SignedDocument(kind, type_, digest, self._images.get(digest, ""), keys))
