"""Write and read the forms in which cosign stores signatures beside an image.

A signature is a layer of an OCI image whose tag names the image: `sha256-DIGEST.sig` for signatures of the digest,
`sha256-DIGEST.att` for signed statements. A layout that `cosign save` writes lists both in `index.json`. With a subject
and an artifact type, the same OCI image is a referrer as well.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence

from fpack.builders.manifest.format import Blob
from fpack.builders.streams import strict_json
from fpack.light_typing import Any, NamedTuple

from . import dsse
from .dsse import EnvelopeError

SIGNATURES, ATTESTATIONS = "sig", "att"
ARTIFACTS = {kind: f"application/vnd.dev.cosign.artifact.{kind}.v1+json" for kind in (SIGNATURES, ATTESTATIONS)}
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
PREDICATE_TYPE = "predicateType"
# The annotation of an entry of `index.json` in a layout of cosign's, and its values.
KIND = "kind"
KINDS = {kind: f"dev.cosignproject.cosign/{kind}s" for kind in (SIGNATURES, ATTESTATIONS)}
IMAGE_KINDS = ("dev.cosignproject.cosign/image", "dev.cosignproject.cosign/imageIndex")
REF_NAME = "org.opencontainers.image.ref.name"
MAX_PAYLOAD = 1 << 16  # bytes
LAYERS = {SIMPLE_SIGNING: MAX_PAYLOAD, dsse.MEDIA_TYPE: dsse.MAX_ENVELOPE}  # types and maximum sizes
_TYPE = "cosign container image signature"
_NEVER = "0001-01-01T00:00:00Z"
# The tag of a list of referrers ends with the digest.
_LIST = re.compile(r"sha256-[0-9a-f]{64}\Z")
_INDEX = "application/vnd.oci.image.index.v1+json"
_FIELDS = {"mediaType", "digest", "size", "annotations", "artifactType"}
_TAG = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?\Z")


class SignedLayer(NamedTuple):
    """A layer with a signature or a signed statement. annotation: the signature in base64, "" for a statement."""

    blob: Blob
    annotation: str = ""
    predicate_type: str = ""

    def value(self) -> dict[str, Any]:
        """Return the descriptor."""
        about = {"mediaType": self.blob.media_type, "digest": self.blob.digest, "size": self.blob.size}
        kind = {PREDICATE_TYPE: self.predicate_type} if self.predicate_type else {}
        return {**about, "annotations": {SIGNATURE: self.annotation, **kind}}


def tag(image: str, kind: str) -> str:
    """Return the tag of what is stored beside an image. image: its digest."""
    return f"{image.replace(':', '-')}.{kind}"


def is_attachment(entry: Any) -> bool:
    """Return whether an entry of an index is not an image, but holds what is stored beside one."""
    given = entry.get("annotations") if isinstance(entry, dict) else None
    if not isinstance(given, dict):
        return False
    name = given.get(REF_NAME)
    return given.get(KIND) in KINDS.values() or (isinstance(name, str) and _TAG.match(name) is not None)


def tag_of(entry: Mapping[str, Any], image: str) -> str:
    """Return the tag of the signatures that an attachment of an index holds, or "". image: the digest of the image."""
    given = entry["annotations"]
    name, kind = given.get(REF_NAME), given.get(KIND)
    if isinstance(name, str) and _TAG.match(name):
        return "" if _LIST.match(name) else name
    return next((tag(image, short) for short, full in KINDS.items() if full == kind), "")


def disguise(entry: Mapping[str, Any]) -> str:
    """Return why an engine may take an attachment of an index for an image, or "". Its content is checked apart."""
    if other := sorted({*entry} - _FIELDS | {*entry["annotations"]} - {KIND, REF_NAME}):
        return f"signatures have the field {other[0]!r}"
    name = entry["annotations"].get(REF_NAME)
    if entry.get("mediaType") == _INDEX and not (isinstance(name, str) and _LIST.match(name)):
        return "signatures are an index of images"
    return ""


def payload(name: str, image: str) -> bytes:
    """Return what is signed of an image: its digest (https://github.com/containers/image, simple signing)."""
    value = {
        "critical": {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": image}, "type": _TYPE},
        "optional": None,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed_digest(data: bytes, where: str) -> str:
    """Return the digest of the image that a payload is about. Raise EnvelopeError if it is no such payload."""
    try:
        value = strict_json.parse(data)
        critical = value.get("critical") if isinstance(value, dict) else None
        image = critical.get("image") if isinstance(critical, dict) else None
        digest = image.get("docker-manifest-digest") if isinstance(image, dict) else None
        if not isinstance(critical, dict) or critical.get("type") != _TYPE or not isinstance(digest, str):
            raise ValueError("it is not what cosign signs of an image")
        return digest
    except ValueError as error:
        raise EnvelopeError("The signed payload cannot be read", where=where, why=str(error)) from None


def signature(annotation: str) -> bytes:
    """Decode the annotation with a signature. Return b"" if it is not base64."""
    try:
        return base64.b64decode(annotation, validate=True)
    except (binascii.Error, ValueError):
        return b""


def config(layers: Sequence[SignedLayer]) -> bytes:
    """Return the configuration of the OCI image of some layers, in the form that cosign gives it."""
    value = {
        "architecture": "",
        "created": _NEVER,
        "history": [{"created": _NEVER} for _ in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer.blob.digest for layer in layers]},
        "config": {},
    }
    return _dump(value)


def artifact(kind: str, subject: Mapping[str, Any], config: Mapping[str, Any], layers: Sequence[SignedLayer]) -> bytes:
    """Return the manifest of the OCI image of some layers. subject, config: descriptors."""
    value = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": ARTIFACTS[kind],
        "config": config,
        "layers": [layer.value() for layer in layers],
        "subject": subject,
    }
    return _dump(value)


def signed_layers(artifact: Mapping[str, Any], blobs: Sequence[Blob]) -> list[SignedLayer]:
    """Return those layers of an artifact that hold signatures. blobs: the parsed descriptors of its layers."""
    found = []
    for value, blob in zip(artifact["layers"], blobs, strict=True):
        if blob.media_type in (SIMPLE_SIGNING, dsse.MEDIA_TYPE):
            given = value.get("annotations")
            texts = given if isinstance(given, dict) else {}
            words = [str(texts.get(name, "")) for name in (SIGNATURE, PREDICATE_TYPE)]
            found.append(SignedLayer(blob, *words))
    return found


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
