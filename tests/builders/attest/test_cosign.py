"""The forms of cosign: what it wrote is read, and what is written has its form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.attest import cosign, keys
from fpack.builders.attest.cosign import SignedLayer
from fpack.builders.attest.dsse import EnvelopeError
from fpack.builders.manifest.format import Blob

HERE = Path(__file__).parent / "cosign"
IMAGE = "sha256:783e52f97050322b4181764e96af0ee779a0828729ba73a264fb2957e26f434d"
PAYLOAD = (HERE / "payload.json").read_bytes()


def layers(name: str) -> tuple[dict[str, Any], list[SignedLayer]]:
    artifact = json.loads((HERE / name).read_bytes())
    blobs = [Blob(item["mediaType"], item["digest"], item["size"]) for item in artifact["layers"]]
    return artifact, cosign.signed_layers(artifact, blobs)


def test_a_signature_of_cosign_is_verified() -> None:
    _, (layer,) = layers("signatures.json")
    key = keys.read_public((HERE / "cosign.pub").read_bytes(), "")
    assert key.verifies(cosign.signature(layer.annotation), PAYLOAD)
    assert cosign.signed_digest(PAYLOAD, "") == IMAGE


def test_a_payload_is_byte_for_byte_that_of_cosign() -> None:
    assert cosign.payload("127.0.0.1:5077/hello", IMAGE) == PAYLOAD


@pytest.mark.parametrize(("name", "kind"), [("signatures.json", "sig"), ("attestations.json", "att")])
def test_an_artifact_is_that_of_cosign_and_a_referrer_as_well(name: str, kind: str) -> None:
    known, found = layers(name)
    config = cosign.config(found)
    subject = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": IMAGE, "size": 1}
    made = json.loads(cosign.artifact(kind, subject, known["config"], found))
    assert made.pop("subject") == subject
    assert made.pop("artifactType") == f"application/vnd.dev.cosign.artifact.{kind}.v1+json"
    assert made == known
    about = json.loads(config)
    assert about["rootfs"] == {"type": "layers", "diff_ids": [known["layers"][0]["digest"]]}


def test_what_is_stored_beside_an_image_is_told_from_images() -> None:
    for name in (cosign.tag(IMAGE, "sig"), cosign.tag(IMAGE, "att"), IMAGE.replace(":", "-")):
        assert cosign.is_attachment({"annotations": {cosign.REF_NAME: name}})
    for kind in ("sigs", "atts"):
        assert cosign.is_attachment({"annotations": {"kind": f"dev.cosignproject.cosign/{kind}"}})
    for entry in (
        {"annotations": {cosign.REF_NAME: "17"}}, {"annotations": {"kind": cosign.IMAGE_KINDS[0]}}, {}, None, 5,
        {"annotations": []}, {"annotations": {cosign.REF_NAME: 5, "kind": []}},
        {"annotations": {cosign.REF_NAME: cosign.tag(IMAGE, "sig") + "\n"}},
    ):  # fmt: skip
        assert not cosign.is_attachment(entry)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b'{"critical":null}', b'{"critical":{"type":"cosign container image signature"}}',
        PAYLOAD.replace(b"cosign container", b"atomic container"), PAYLOAD.replace(b'"sha256:', b'["sha256:', 1),
        b"[" * 100_000, PAYLOAD.replace(b'"optional"', b'"critical":{},"optional"'),
        b'{"critical":{"image":{"docker-manifest-digest":5},"type":"cosign container image signature"}}',
    ],
)  # fmt: skip
def test_another_payload_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        cosign.signed_digest(data, "")


def test_an_annotation_that_is_no_base64_is_no_signature() -> None:
    assert cosign.signature("!") == cosign.signature("ü") == cosign.signature("YQ") == b""
