"""Define a repository: blobs and manifests by digest, tags, and the referrers of manifests.

A repository of an OCI registry is one (https://github.com/opencontainers/distribution-spec/blob/main/spec.md), and so
is an OCI layout in a directory, below a URL, or in a bucket. One conformance suite tests all of them:
`tests/builders/distribution/test_repositories.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from fpack.light_typing import Any, NamedTuple, Protocol
from fpack.store.errors import FpackError, counted


class RepositoryError(FpackError):
    """A repository that cannot do what is asked. `where` names the repository. Subclasses tell the causes apart."""


class NotThere(RepositoryError):
    """A manifest, a blob or a repository that does not exist."""


class Denied(RepositoryError):
    """A repository refuses the credentials, or that they do this."""


class Unavailable(RepositoryError):
    """A repository that does not answer, or answers with a fault of its own, after all attempts."""


class Corrupt(RepositoryError):
    """Content that differs from its digest or size, or a document that is not valid."""


def differs(digest: str, found: str, where: str, what: str = "blob") -> Corrupt:
    """Return the error for content whose digest is `found`. where: the repository's name. what: blob or manifest."""
    why = f"its content has the digest {found}"
    return Corrupt(f"The {what} {digest} differs from its digest", where=where, why=why)


def too_long(digest: str, size: int, where: str) -> Corrupt:
    """Return the error for a blob that has more bytes than its size. where: the repository's name."""
    return Corrupt(
        f"The blob {digest} is longer than its size", where=where, why=f"it has more than {counted(size, 'byte')}"
    )


def too_short(digest: str, count: int, size: int, where: str) -> Corrupt:
    """Return the error for a blob that ended after `count` of `size` bytes. where: the repository's name."""
    why = f"it ended after {count} of {counted(size, 'byte')}"
    return Corrupt(f"The blob {digest} is shorter than its size", where=where, why=why)


def wrong_size(digest: str, found: int, size: int, where: str) -> Corrupt:
    """Return the error for a blob of `found` bytes, before it is read. where: the repository's name."""
    why = f"it has {counted(found, 'byte')} instead of {size}"
    return Corrupt(f"The blob {digest} differs from its size", where=where, why=why)


def no_blob(digest: str, where: str, why: str) -> NotThere:
    """Return the error for a blob that the repository `where` does not have."""
    return NotThere(f"The blob {digest} does not exist", where=where, why=why)


class BlobEntry(NamedTuple):
    """A descriptor of a blob or a manifest. digest: `sha256:` and 64 hexadecimal digits. size: in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = {}

    def value(self) -> dict[str, Any]:
        """Return the JSON form."""
        more: dict[str, Any] = {"artifactType": self.artifact_type} if self.artifact_type else {}
        if self.annotations:
            more["annotations"] = dict(self.annotations)
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size, **more}


class ManifestDocument(NamedTuple):
    """A manifest or an index: the exact bytes, which were compared with the digest."""

    media_type: str
    digest: str
    data: bytes


class BlobSource(NamedTuple):
    """A blob to write. chunks: returns the content from an offset, and can be called again to resume.

    mounts: names of repositories of the same registry that may have the blob.
    """

    digest: str
    size: int
    chunks: Callable[[int], Iterator[bytes]]
    mounts: Sequence[str] = ()


class Repository(Protocol):
    """One repository. Methods raise RepositoryError; all can be called from several threads at once."""

    name: str  # for messages and logs: without credentials

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest (a HEAD request), or None."""

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest if one is given, or None."""

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists."""

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. A whole blob (no offset, no length) is compared with its digest and size.

        Interrupted transfers are resumed. The caller must check what a partial read returns. Raise NotThere.
        """

    def write_blob(self, source: BlobSource) -> bool:
        """Write a blob unless it exists. Return whether bytes were transferred (not if it existed or was mounted)."""

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Write a manifest or index whose blobs exist, by digest or under a tag.

        If it has a subject and the repository lists no referrers itself, update the list in the fallback tag.
        """

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest, from the API or the fallback tag."""

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted. A repository that does not exist has none."""

    def delete(self, reference: str) -> bool:
        """Delete a tag, a manifest or a blob, if the repository can. Return whether it existed."""
