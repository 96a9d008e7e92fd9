"""Read the signatures of an image, in a file or in a registry."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from fpack.builders.attest import cosign
from fpack.builders.attest.cosign import SignedLayer
from fpack.builders.manifest.file_names import REFERRERS
from fpack.builders.manifest.format import Blob
from fpack.builders.verify import documents, embedded_manifest
from fpack.builders.verify.documents import BadDocument, blob_name, descriptor
from fpack.builders.verify.image_archive import ImageArchive, pieces


class SignedImage(ABC):
    """An open image. top: the image, or the index of several. layers: those with signatures."""

    def __init__(self, archive: ImageArchive) -> None:
        self.archive = archive
        try:
            self.index = documents.read(self.archive, "index.json").value
            images = [entry for entry in self.index["manifests"] if not cosign.is_attachment(entry)]
            self.entry = images[0]
            self.top = descriptor(self.entry, "index.json")
            self.referrers: list[dict[str, Any]] = []
            self.old: set[str] = set()  # the names of blobs of signatures
            self.layers: list[SignedLayer] = []
            self._read_signatures()
        except BaseException:
            self.archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.archive.close()

    def _read_signatures(self) -> None:
        entries = embedded_manifest.entries(self.archive)
        types = cosign.ARTIFACTS.values()
        self.referrers = [entry for entry in entries if entry.get("artifactType") not in types]
        signed = [descriptor(entry, REFERRERS) for entry in entries if entry.get("artifactType") in types]
        tagged = [descriptor(e, "index.json") for e in self.index["manifests"] if cosign.is_attachment(e)]
        for blob in tagged:
            if blob.media_type == documents.INDEX:  # a list of referrers, which is made again
                self.old.add(blob_name(blob.digest))
        found: dict[SignedLayer, None] = {}
        for blob in dict.fromkeys(item for item in (*signed, *tagged) if item.media_type != documents.INDEX):
            artifact, layers = embedded_manifest.artifact(self.archive, blob)
            config = descriptor(artifact.get("config"), blob_name(blob.digest))
            self.old |= {blob_name(item.digest) for item in (blob, config, *layers)}
            found |= dict.fromkeys(cosign.signed_layers(artifact, layers))
        self.layers = list(found)

    def read(self, blob: Blob) -> bytes:
        """Read a blob of the archive. Raise BadDocument if it does not have its digest."""
        name = blob_name(blob.digest)
        data = b"".join(pieces(self.archive, name)) if name in self.archive.sizes else b""
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != blob.digest:
            raise BadDocument(name, "the blob's content does not match its digest")
        return data

    @abstractmethod
    def write(
        self,
        blobs: Mapping[str, bytes],
        entries: Sequence[Mapping[str, Any]],
        tags: Sequence[tuple[str, str, Mapping[str, Any]]],
        kept: Collection[str],
    ) -> None:
        """Write the image with new signatures in place of the old ones.

        blobs: new files by name. entries: of referrers. tags: image, kind and descriptor of each. kept: the digests of
        the layers with signatures.
        """
