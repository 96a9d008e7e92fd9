"""Test which signatures of an image count: of trusted keys, over this image, and enough of them.

Each attack is a file of blobs as an image carries them, in which everything else is right.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from fpack.builders.attest import cosign, dsse, keys, statement
from fpack.builders.attest.cosign import SIMPLE_SIGNING, SignedLayer
from fpack.builders.attest.dsse import Envelope
from fpack.builders.attest.keys import PrivateKey, PublicKey
from fpack.builders.manifest.format import Blob
from fpack.builders.verify import signatures
from fpack.builders.verify.findings import Report
from fpack.builders.verify.signatures import SignatureCheck, Signatures, Trust

IMAGE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DATA = b"the manifest"
SHA256 = hashlib.sha256(DATA).hexdigest()
ALICE, BOB, EVE = keys.generate("ed25519"), keys.generate("ecdsa"), keys.generate("ed25519")
BOTH = (ALICE.public, BOB.public)
COSIGN = Path(__file__).parents[1] / "attest" / "cosign"


class Blobs:
    """The files of an archive, in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.files[name])

    def close(self) -> None: ...

    def add(self, media_type: str, data: bytes, annotation: str = "") -> SignedLayer:
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        self.sizes[f"blobs/sha256/{digest}"] = len(data)
        return SignedLayer(Blob(media_type, f"sha256:{digest}", len(data)), annotation)


class Carried:
    """An image with signatures."""

    def __init__(self) -> None:
        self.blobs = Blobs()
        self.layers: list[SignedLayer] = []
        self.report = Report()

    def image(self, key: PrivateKey, digest: str = IMAGE) -> Carried:
        payload = cosign.payload("shop", digest)
        annotation = base64.b64encode(key.sign(payload)).decode()
        self.layers.append(self.blobs.add(SIMPLE_SIGNING, payload, annotation))
        return self

    def envelope(self, envelope: Envelope | bytes) -> Carried:
        data = envelope if isinstance(envelope, bytes) else envelope.encode()
        self.layers.append(self.blobs.add(dsse.MEDIA_TYPE, data))
        return self

    def manifest(self, *signers: PrivateKey, digest: str = IMAGE, sha256: str = SHA256) -> Carried:
        return self.envelope(signed(manifest(digest, sha256), *signers))

    def check(self, trusted: Sequence[PublicKey] = BOTH, threshold: int = 1, required: bool = True) -> Signatures:
        trust = Trust(tuple(trusted), threshold, required)
        checker = SignatureCheck(self.blobs, {IMAGE: "linux/amd64"}, {IMAGE: SHA256}, trust, self.report)
        return checker.run(self.layers)

    @property
    def said(self) -> str:
        return "; ".join(finding.what for finding in self.report.findings)


def manifest(digest: str = IMAGE, sha256: str = SHA256) -> bytes:
    return statement.about("shop:1", digest, statement.MANIFEST, statement.manifest_predicate(sha256, 5)).encode()


def signed(payload: bytes, *signers: PrivateKey, kind: str = dsse.IN_TOTO) -> Envelope:
    envelope = Envelope(kind, payload)
    for signer in signers:
        envelope = envelope.signed(signer)
    return envelope


@pytest.fixture
def carried() -> Carried:
    return Carried()


def test_a_signed_manifest_counts(carried: Carried) -> None:
    found = carried.manifest(ALICE).image(BOB).check()
    assert found.manifests == {IMAGE} and not carried.report.findings and found.others == 0
    assert [(item.kind, item.keys) for item in found.documents] == [
        ("manifest", (ALICE.public,)),
        ("image", (BOB.public,)),
    ]


def test_statements_of_other_types_are_told(carried: Carried) -> None:
    for type_ in (statement.PROVENANCE, statement.CYCLONEDX, statement.SPDX, "urn:new"):
        carried.envelope(signed(statement.about("x", IMAGE, type_, {}).encode(), ALICE))
    found = carried.check(required=False)
    assert [item.kind for item in found.documents] == ["provenance", "sbom", "sbom", "other"]
    assert found.documents[-1].type == "urn:new" and found.manifests == frozenset()


def test_a_threshold_counts_different_keys_also_of_several_envelopes(carried: Carried) -> None:
    assert carried.manifest(ALICE).manifest(BOB).check(threshold=2).manifests == {IMAGE}
    assert Carried().manifest(ALICE, BOB).check(threshold=2).manifests == {IMAGE}


def test_what_cosign_signed_counts() -> None:
    carried = Carried()
    image = "sha256:783e52f97050322b4181764e96af0ee779a0828729ba73a264fb2957e26f434d"
    key = keys.read_public((COSIGN / "cosign.pub").read_bytes(), "cosign.pub")
    annotation = (COSIGN / "signatures.json").read_text().partition('cosign/signature":"')[2].partition('"')[0]
    carried.layers.append(carried.blobs.add(SIMPLE_SIGNING, (COSIGN / "payload.json").read_bytes(), annotation))
    carried.envelope((COSIGN / "envelope.json").read_bytes())
    trust = Trust((key,), required=False)
    found = SignatureCheck(carried.blobs, {image: ""}, {image: SHA256}, trust, carried.report).run(carried.layers)
    assert [item.kind for item in found.documents] == ["image", "other"] and not carried.report.findings
    assert found.manifests == frozenset(), "its statement is about another manifest"


def test_without_keys_nothing_is_parsed(carried: Carried) -> None:
    found = carried.manifest(ALICE).envelope(b"garbage").check((), required=False)
    assert found == Signatures((), 2, frozenset()) and not carried.report.findings


# Attacks.


def test_an_image_without_a_signature_is_refused(carried: Carried) -> None:
    assert carried.check().manifests == frozenset()
    assert carried.said == "no given key signed it"


def test_a_stranger_cannot_sign(carried: Carried) -> None:
    found = carried.manifest(EVE).image(EVE).check()
    assert found.documents == () and found.others == 2 and carried.said == "no given key signed it"


def test_a_signature_of_the_image_alone_does_not_cover_its_manifest(carried: Carried) -> None:
    assert carried.image(ALICE).check().manifests == frozenset()
    assert carried.said == "no given key signed it"


def test_one_key_is_not_two(carried: Carried) -> None:
    """Not by two signatures, two envelopes, two key ids or two files of the same key."""
    envelope = signed(manifest(), ALICE)
    (one,) = envelope.signatures
    carried.envelope(envelope._replace(signatures=(one, one._replace(keyid="x")))).manifest(ALICE).manifest(ALICE, EVE)
    again = PublicKey(ALICE.public.kind, ALICE.public.spki, "copy.pub")
    assert carried.check((ALICE.public, again, BOB.public), threshold=2).manifests == frozenset()
    assert "2 keys must" in carried.said


def test_a_replayed_signature_of_another_image_is_a_difference(carried: Carried) -> None:
    found = carried.image(ALICE, OTHER).manifest(ALICE, digest=OTHER).check()
    assert found.manifests == frozenset() and found.documents == ()
    assert carried.said.count("is about another image") == 2


def test_a_replayed_manifest_of_the_image_does_not_count(carried: Carried) -> None:
    found = carried.manifest(ALICE, sha256="0" * 64).check()
    assert found.manifests == frozenset() and [item.kind for item in found.documents] == ["other"]
    assert carried.said == "another manifest of the image is signed"


def test_the_bytes_of_a_signed_statement_cannot_be_changed(carried: Carried) -> None:
    envelope = signed(manifest(sha256="0" * 64), ALICE)
    carried.envelope(envelope._replace(payload=manifest()))
    assert carried.check().manifests == frozenset()


def test_a_statement_of_another_type_is_no_manifest(carried: Carried) -> None:
    predicate = statement.manifest_predicate(SHA256, 5)
    carried.envelope(signed(statement.about("x", IMAGE, statement.PROVENANCE, predicate).encode(), ALICE))
    assert carried.check().manifests == frozenset()


def test_another_type_of_payload_is_no_statement(carried: Carried) -> None:
    found = carried.envelope(signed(manifest(), ALICE, kind="application/json")).check()
    assert found.manifests == frozenset() and [(item.kind, item.type) for item in found.documents] == [
        ("other", "application/json")
    ]


def test_a_signature_over_the_image_is_no_envelope_and_the_reverse(carried: Carried) -> None:
    """The same bytes under the media type of the other form."""
    payload = cosign.payload("shop", IMAGE)
    carried.envelope(signed(payload, ALICE))
    data = signed(manifest(), ALICE).encode()
    carried.layers.append(carried.blobs.add(SIMPLE_SIGNING, data, base64.b64encode(ALICE.sign(data)).decode()))
    assert carried.check().manifests == frozenset()
    assert "is not an in-toto statement" in carried.said and "payload cannot be read" in carried.said


@pytest.mark.parametrize("payload", [b"not JSON", b"[]", b"", b"[" * 50_000, b'{"_type":"x"}'])
def test_a_signed_payload_that_is_no_statement_is_a_difference(carried: Carried, payload: bytes) -> None:
    assert carried.envelope(signed(payload, ALICE)).manifest(ALICE).check().manifests == {IMAGE}
    assert "is not an in-toto statement" in carried.said


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 50_000, b'{"payload":"YQ=="}'])
def test_a_damaged_envelope_is_a_difference(carried: Carried, data: bytes) -> None:
    carried.envelope(data).check(required=False)
    assert "is not a signed envelope" in carried.said


def test_documents_are_bounded(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    carried.manifest(ALICE)
    size = carried.layers[0].blob.size
    monkeypatch.setattr(signatures, "MAX_BYTES", size - 1)
    assert carried.check().manifests == frozenset() and "A signed document is too large" in carried.said
    monkeypatch.undo()
    monkeypatch.setattr(signatures, "MAX_LAYERS", 3)
    many = Carried()
    for _ in range(3):
        many.image(EVE)
    found = many.manifest(ALICE).check()
    assert found.manifests == frozenset() and found.others == 4
    monkeypatch.undo()
    long = Carried()
    payload = b"x" * (cosign.MAX_PAYLOAD + 1)
    long.layers.append(long.blobs.add(SIMPLE_SIGNING, payload, base64.b64encode(ALICE.sign(payload)).decode()))
    long.check(required=False)
    assert "A signed document is too large" in long.said


def test_a_missing_or_cut_blob_is_no_signature(carried: Carried) -> None:
    carried.manifest(ALICE)
    (name,) = carried.blobs.files
    carried.blobs.sizes[name] -= 1
    assert carried.check().manifests == frozenset()
    del carried.blobs.sizes[name]
    assert carried.check().manifests == frozenset()


def test_an_index_has_no_manifest_that_could_be_signed(carried: Carried) -> None:
    """A statement about an index of images, with the digest of nothing, is a statement of no known kind."""
    payload = statement.about("x", OTHER, statement.MANIFEST, {"manifest": {"digest": {"sha256": ""}}}).encode()
    carried.envelope(signed(payload, ALICE))
    checker = SignatureCheck(
        carried.blobs, {OTHER: "", IMAGE: "linux/amd64"}, {IMAGE: SHA256}, Trust(BOTH), carried.report
    )
    assert [item.kind for item in checker.run(carried.layers).documents] == ["other"]
