"""Make the manifests under which a cache keeps its blobs: OCI artifacts, so that a registry's own gc spares them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fpack import light_hashes
from fpack.builders.distribution.protocol import BlobEntry, BlobSource

from .index import ARTIFACT_TYPE

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def artifact(entries: Sequence[BlobEntry]) -> bytes:
    """Return the manifest of an artifact with these blobs. EMPTY must be written as well."""
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": BlobEntry(_EMPTY_TYPE, _digest(EMPTY), len(EMPTY)).value(),
        "layers": [entry.value() for entry in entries or [BlobEntry(_EMPTY_TYPE, _digest(EMPTY), len(EMPTY))]],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def blob_source(data: bytes) -> BlobSource:
    """Return bytes as a blob to write."""
    return BlobSource(_digest(data), len(data), lambda offset: iter((data[offset:],)))


def _digest(data: bytes) -> str:
    return f"sha256:{light_hashes.sha256(data).hexdigest()}"
