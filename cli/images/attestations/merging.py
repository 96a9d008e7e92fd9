"""Add signatures to those that a repository has: others may have signed the same image.

cosign keeps all signatures of an image in one OCI image, whose tag the next push would otherwise take away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from fpack.builders.attest import cosign
from fpack.builders.attest.cosign import SignedLayer
from fpack.builders.distribution.protocol import BlobSource, Repository
from fpack.builders.distribution.pusher import PushedManifest
from fpack.builders.verify import documents
from fpack.builders.verify.documents import BadDocument, descriptor

MAX_SIGNATURES = 500


def merged(repository: Repository, one: PushedManifest) -> PushedManifest | None:
    """Return the signatures to push: those of the repository and new ones, or None if it has all.

    one: signatures with cosign's tag. Content of the repository that is not signatures is replaced.
    """
    found = repository.manifest(one.tag)
    if found is None:
        return one
    own = json.loads(one.data)
    theirs, mine = list(_layers(found.data)), list(_layers(one.data))
    missing = [layer for layer in mine if layer not in theirs]
    if not missing:
        return None
    if not theirs or len(theirs) > MAX_SIGNATURES:
        return one
    layers = [*theirs, *missing]
    config = cosign.config(layers)
    about = {"mediaType": documents.CONFIG, "digest": _digest(config), "size": len(config)}
    kind = one.tag.rpartition(".")[2]
    data = cosign.artifact(kind, own["subject"], about, layers)
    new = {layer.blob.digest for layer in missing}
    blobs = [blob for blob in one.blobs if blob.digest in new]
    blobs.append(BlobSource(_digest(config), len(config), lambda offset: iter((config[offset:],))))
    return PushedManifest(data, one.media_type, blobs, one.tag, one.subject)


def _layers(data: bytes) -> Iterator[SignedLayer]:
    """Yield the signatures of an OCI image. A document that is none has no signatures."""
    try:
        value: Any = documents.parse(data, "")
        rows = value.get("layers") if isinstance(value, dict) else None
        yield from cosign.signed_layers(value, [descriptor(row, "") for row in rows or ()])
    except (BadDocument, KeyError, ValueError):
        return


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
