"""Write blobs and manifests to a repository, and read them."""

import hashlib
import json
from collections.abc import Iterator

from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Repository

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.example.config.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entry(data: bytes, media_type: str = "application/octet-stream") -> BlobEntry:
    return BlobEntry(media_type, digest_of(data), len(data))


def write(repository: Repository, data: bytes) -> bool:
    def chunks(offset: int) -> Iterator[bytes]:
        for at in range(offset, len(data), 1000):
            yield data[at : at + 1000]

    return repository.write_blob(BlobSource(digest_of(data), len(data), chunks))


def manifest(repository: Repository, layer: bytes = b"a layer", **more: object) -> bytes:
    """Write the blobs of a manifest, and return it."""
    config = b"{}"
    write(repository, config)
    write(repository, layer)
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": entry(config, CONFIG).value(),
        "layers": [entry(layer).value()],
        **more,
    }
    return json.dumps(value).encode()


def read(repository: Repository, blob: BlobEntry, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join(repository.read_blob(blob, offset, length))
