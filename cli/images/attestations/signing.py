"""Sign an image in a tar, an OCI layout or a registry: add statements and signatures, in the forms of cosign.

The image is verified first: what is signed is what the manifest describes. Its digest does not change. Signing again
with the same key changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.attest import cosign, dsse, slsa, statement
from fpack.builders.attest.cosign import ATTESTATIONS, SIGNATURES, SIMPLE_SIGNING, SignedLayer
from fpack.builders.attest.dsse import Envelope
from fpack.builders.attest.keys import PrivateKey
from fpack.builders.attest.statement import Statement
from fpack.builders.manifest.format import Blob
from fpack.builders.streams import strict_json
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import blob_name
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.image_archive import ImageArchive, ImageLocation
from fpack.builders.verify.verify import VerifiedImage, VerifyResult, verify
from fpack.cli.images.manifests import all_beside
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace

from .signed_file import SignedFile
from .signed_image import SignedImage

IMAGE, MANIFEST, PROVENANCE, SBOM, VEX = "image", "manifest", "provenance", "sbom", "vex"
_MAX_SHOWN = 3


class SigningError(FpackError):
    """An image that is not signed."""


class SignedSubject(NamedTuple):
    """Something to sign. kind: of those above. digest: of the image. platform: "" for an index of several.

    payload: what cosign signs of an image, or the statement.
    """

    kind: str
    digest: str
    platform: str
    payload: bytes
    type: str = ""


class SigningResult(NamedTuple):
    """The signed documents. added: how many signatures the file did not have.

    uncompared: the formats of signed bills of materials that were not compared with the image.
    """

    digest: str
    subjects: list[SignedSubject]
    added: int
    uncompared: tuple[str, ...] = ()


def sign(
    path: ImageLocation, keys: Sequence[PrivateKey], evidence: LocalEvidence, workspace: Workspace | None = None
) -> SigningResult:
    """Add the signatures of `keys` to an image. Raise FpackError if it is not what its manifest says.

    workspace: has the store from which bills of materials are made again; None without one.
    """
    outcome = verify(path, [], all_beside(path.absolute()) if isinstance(path, Path) else (), evidence)
    if outcome.report.differs:
        shown = [f"{finding.where}: {finding.what}" for finding in outcome.report.findings[:_MAX_SHOWN]]
        raise SigningError(
            "The image is not what its manifest says, so it is not signed",
            where=str(path),
            why="; ".join(shown),
            hint="fpack verify tells all differences",
        )
    with _opened(path) as file:
        if file.top.digest != outcome.digest:
            raise SigningError("The image changed while it was signed", where=str(path))
        uncompared = [name for part in outcome.images for name in _compared(workspace, part, file.archive, path)]
        signer = _Signer(file, keys, _descriptors(outcome, file))
        subjects = list(_subjects(outcome, file.archive, str(path)))
        for subject in subjects:
            signer.sign(subject)
        if signer.added:
            signer.write()
    return SigningResult(outcome.digest, subjects, signer.added, tuple(dict.fromkeys(uncompared)))


def _opened(path: ImageLocation) -> SignedImage:
    """Open an image to add signatures to it."""
    if isinstance(path, Path):
        return SignedFile(path)
    from fpack.builders.distribution.addresses import open_repository
    from fpack.builders.intake.repository_archive import RemoteImage
    from fpack.cli.options import uses_plain_http

    from .signed_repository import SignedRepository

    if not isinstance(path, RemoteImage):
        raise SigningError("This image cannot be signed", where=str(path))
    return SignedRepository(path, open_repository(path.reference, plain_http=uses_plain_http(), mirrors=False))


def _compared(
    workspace: Workspace | None, part: VerifiedImage, archive: ImageArchive, path: ImageLocation
) -> Sequence[str]:
    """Return the formats of the bills of an image that cannot be compared. Raise SigningError if one differs."""
    from .bill_check import compare

    found = compare(workspace, part, archive)
    if found.differing:
        raise SigningError(
            "The bill of materials in the image is not the one that fpack makes of it, so nothing is signed",
            where=str(path),
            why=f"the format {', '.join(found.differing)} differs",
            hint="pack the image again with --sbom; fpack sbom --rebuild writes the bill that fpack makes",
        )
    return found.unknown


def _subjects(outcome: VerifyResult, archive: ImageArchive, where: str) -> Iterator[SignedSubject]:
    """Yield everything to sign of an image."""
    images = {part.checked.digest: part for part in outcome.images}
    if outcome.digest not in images:
        yield SignedSubject(IMAGE, outcome.digest, "", _simple(outcome.images[0], outcome.digest))
    for digest, part in images.items():
        platform, image = part.platform, part.head.image
        yield SignedSubject(IMAGE, digest, platform, _simple(part, digest))
        name = f"{image.name}:{image.tag}"
        predicate = statement.manifest_predicate(hashlib.sha256(part.data).hexdigest(), len(part.data))
        found: list[tuple[str, Statement]] = [
            (MANIFEST, statement.about(name, digest, statement.MANIFEST, predicate)),
            (PROVENANCE, _provenance(part, embedded_manifest.attached(archive, digest, {dsse.IN_TOTO}), where)),
        ]
        statements = embedded_manifest.attached(archive, digest, {dsse.IN_TOTO})
        found += ((VEX, item) for item in _vex(statements, digest, where))
        for media_type, data in embedded_manifest.attached(archive, digest, statement.BILLS.keys()):
            found.append((SBOM, statement.about(name, digest, statement.BILLS[media_type], _json(data, where))))
        for kind, item in found:
            yield SignedSubject(kind, digest, platform, item.encode(), item.predicate_type)


def _simple(part: VerifiedImage, digest: str) -> bytes:
    return cosign.payload(documents.full_name(part.head.image.name), digest)


def _provenance(part: VerifiedImage, attached: Iterator[tuple[str, bytes]], where: str) -> Statement:
    """Return the provenance that is attached to an image, or one of its manifest alone.

    Raise SigningError if the attached one says something else of the image than its manifest does.
    """
    for _, data in attached:
        found = statement.parse(data, where)
        if found.predicate_type == statement.PROVENANCE:
            expected = slsa.provenance(part.reader(), part.data, slsa.context_of(found))
            if expected.encode() != data:
                why = "it differs from what the image's manifest says"
                raise SigningError("The provenance in the image is not signed", where=where, why=why)
            return expected
    return slsa.provenance(part.reader(), part.data)


def _vex(attached: Iterator[tuple[str, bytes]], digest: str, where: str) -> Iterator[Statement]:
    """Yield the VEX statements that are attached to an image. Raise SigningError if one is about another image."""
    for _, data in attached:
        found = statement.parse(data, where)
        if found.predicate_type == statement.OPENVEX:
            if len(found.subjects) != 1 or not found.is_about(digest) or not _names_only(found.predicate, digest):
                raise SigningError(
                    "The VEX document in the image is not signed",
                    where=where,
                    why="it is not about this image alone",
                    hint="pack the image again with --vex",
                )
            yield found


def _names_only(predicate: Any, digest: str) -> bool:
    """Return whether each product of an OpenVEX document is the image with a digest."""
    rows = predicate.get("statements") if isinstance(predicate, dict) else None
    if not isinstance(rows, list):
        return False
    products = [item for row in rows if isinstance(row, dict) for item in row.get("products") or [None]]
    sha256 = {"sha-256": digest.removeprefix("sha256:")}
    return all(isinstance(item, dict) and item.get("hashes") == sha256 for item in products)


def _json(data: bytes, where: str) -> Any:
    try:
        return strict_json.parse(data)
    except ValueError as error:
        raise SigningError("A bill of materials in the image cannot be read", where=where, why=str(error)) from None


def _descriptors(outcome: VerifyResult, file: SignedImage) -> dict[str, dict[str, Any]]:
    """Return the descriptor of each image in a file, by digest."""
    found = {part.checked.digest: documents.value_of(part.head.image.manifest) for part in outcome.images}
    return {file.top.digest: documents.value_of(file.top), **found}


class _Signer:
    """The signatures of an image file, with those that it has already. images: the descriptor of each, by digest."""

    def __init__(self, file: SignedImage, keys: Sequence[PrivateKey], images: Mapping[str, Mapping[str, Any]]) -> None:
        self._file = file
        self._images = images
        self._keys = keys
        self._blobs: dict[str, bytes] = {}  # of new layers, by digest
        self._layers: dict[tuple[str, str], list[SignedLayer]] = {}  # by image and kind
        self.added = 0
        for layer in file.layers:
            image = self._image(layer)
            image = image if image in images else file.top.digest
            kind = SIGNATURES if layer.blob.media_type == SIMPLE_SIGNING else ATTESTATIONS
            self._layers.setdefault((image, kind), []).append(layer)

    def _image(self, layer: SignedLayer) -> str:
        """Return the digest of the image that a document is about, or "" if it cannot be read."""
        data = self._data(layer)
        try:
            if layer.blob.media_type == SIMPLE_SIGNING:
                return cosign.signed_digest(data, "")
            subjects = statement.parse(dsse.parse(data, "").payload, "").subjects
            return f"sha256:{subjects[0][1].get('sha256')}"
        except FpackError:
            return ""

    def _data(self, layer: SignedLayer) -> bytes:
        return self._blobs.get(layer.blob.digest) or self._file.read(layer.blob)

    def sign(self, subject: SignedSubject) -> None:
        """Add the signature of each key that has not signed a document yet."""
        if subject.kind == IMAGE:
            layers = self._layers.setdefault((subject.digest, SIGNATURES), [])
            for key in self._keys:
                self._sign_image(subject, layers, key)
        else:
            self._sign_statement(subject, self._layers.setdefault((subject.digest, ATTESTATIONS), []))

    def _sign_image(self, subject: SignedSubject, layers: list[SignedLayer], key: PrivateKey) -> None:
        for layer in layers:
            data = self._data(layer)
            if (
                key.public.verifies(cosign.signature(layer.annotation), data)
                and cosign.signed_digest(data, "") == subject.digest
            ):
                return
        import base64

        blob = self._add(SIMPLE_SIGNING, subject.payload)
        layers.append(SignedLayer(blob, base64.b64encode(key.sign(subject.payload)).decode()))
        self.added += 1

    def _sign_statement(self, subject: SignedSubject, layers: list[SignedLayer]) -> None:
        before = Envelope(dsse.IN_TOTO, subject.payload)
        number = len(layers)
        for index, layer in enumerate(layers):
            try:
                found = dsse.parse(self._data(layer), "")
            except FpackError:
                continue
            if (found.payload_type, found.payload) == before[:2]:
                before, number = found, index
        envelope = before
        for key in self._keys:
            envelope = envelope.signed(key)
        if envelope is not before:
            data = envelope.encode()
            if len(data) > dsse.MAX_ENVELOPE:
                raise SigningError("A document is too large to be signed", why=f"it would have {len(data)} bytes")
            layers[number:] = [SignedLayer(self._add(dsse.MEDIA_TYPE, data), "", subject.type), *layers[number + 1 :]]
            self.added += len(envelope.signatures) - len(before.signatures)

    def _add(self, media_type: str, data: bytes) -> Blob:
        blob = Blob(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
        self._blobs[blob.digest] = data
        return blob

    def write(self) -> None:
        """Write the file with all signatures."""
        files: dict[str, bytes] = {}
        entries: list[dict[str, Any]] = []
        tags: list[tuple[str, str, dict[str, Any]]] = []
        used: set[str] = set()
        for (image, kind), layers in sorted(self._layers.items()):
            subject = self._images[image]
            config = cosign.config(layers)
            about = _describe(documents.CONFIG, config)
            artifact = cosign.artifact(kind, subject, about, layers)
            entry = _describe(documents.MANIFEST, artifact)
            entries.append({**entry, "artifactType": cosign.ARTIFACTS[kind]})
            tags.append((image, kind, entry))
            used |= {layer.blob.digest for layer in layers}
            files |= {blob_name(str(about["digest"])): config, blob_name(str(entry["digest"])): artifact}
        files |= {blob_name(digest): data for digest, data in self._blobs.items() if digest in used}
        self._file.write(files, entries, tags, used)


def _describe(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
