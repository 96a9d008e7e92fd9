"""Add signatures to an image in a registry, without pushing it: as referrers, and by the tags that cosign looks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpack.builders.attest import cosign
from fpack.builders.distribution.protocol import Repository
from fpack.builders.distribution.pusher import Chunks, PushedImage, PushedManifest, Pusher, manifest
from fpack.builders.manifest.format import Blob
from fpack.builders.verify import documents
from fpack.builders.verify.documents import blob_name, descriptor

from .merging import merged
from .signed_image import SignedImage

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage


class SignedRepository(SignedImage):
    """An image in a registry. repository: where to write, which is no mirror."""

    def __init__(self, image: RemoteImage, repository: Repository) -> None:
        self._repository = repository
        self._top = image.archive().top
        super().__init__(image.archive().with_signatures())
        # The signatures that were read, by tag: others may add some meanwhile.
        self._read = {
            str(row["annotations"][cosign.REF_NAME]): str(row["digest"])
            for row in self.index["manifests"]
            if cosign.is_attachment(row)
        }

    def write(
        self,
        blobs: Mapping[str, bytes],
        entries: Sequence[Mapping[str, Any]],
        tags: Sequence[tuple[str, str, Mapping[str, Any]]],
        kept: Collection[str],
    ) -> None:
        """Push the new signatures. The image and its tag stay as they are."""

        def content(digest: str) -> Chunks:
            data = blobs.get(blob_name(digest))

            def read(offset: int) -> Iterator[bytes]:
                whole = data if data is not None else self.read(Blob("", digest, 0))
                yield whole[offset:]

            return read

        pushed = []
        for image, kind, entry in tags:
            about = descriptor(entry, "")
            data = blobs[blob_name(about.digest)]
            pushed.append(manifest(data, documents.MANIFEST, content, cosign.tag(image, kind), image))
        top = PushedManifest(self._top.data, self._top.media_type)
        Pusher(self._repository, merge=self._merge).push(PushedImage(top, referrers=pushed), "")

    def _merge(self, repository: Repository, one: PushedManifest) -> PushedManifest | None:
        """Return the signatures to push: with those that others added after the signatures were read."""
        found = repository.resolve(one.tag)
        if found is not None and found.digest != self._read.get(one.tag):
            return merged(repository, one)
        return one
