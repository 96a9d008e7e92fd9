"""Read and change `index.json` of an image layout and the list of a manifest's referrers; read its blobs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping

from fpack import light_hashes
from fpack.builders.streams import strict_json
from fpack.light_typing import Any

from .names import digest_of, is_digest, is_tag
from .protocol import BlobEntry, Corrupt, ManifestDocument, RepositoryError, differs

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
MAX_MANIFEST = 4 << 20  # bytes; registries have the same limit
MAX_INDEX = 64 << 20  # bytes of `index.json`
_CHUNK = 1 << 20  # bytes


class RefIndex:
    """The descriptors of `index.json`, of which some have tags. Descriptors of others are kept as they are."""

    def __init__(self, data: bytes, where: str) -> None:
        value = json_object(data, where)
        self._where = where
        self._rest = {name: item for name, item in value.items() if name != "manifests"}
        self._manifests: list[dict[str, Any]] = entries_of(value, where)

    def tag(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag."""
        for value in reversed(self._manifests):
            if _ref(value) == tag:
                return entry_of(value, self._where)
        return None

    def tags(self, prefix: str) -> list[str]:
        """Return the tags that begin with a prefix, sorted. Names that are no tags are ignored."""
        names = {_ref(value) for value in self._manifests}
        return sorted(name for name in names if name.startswith(prefix) and is_tag(name))

    def untagged(self) -> list[str]:
        """Return the digests that are listed without a tag, as other tools write them."""
        digests = (value.get("digest") for value in self._manifests if not is_tag(_ref(value)))
        return [digest for digest in digests if isinstance(digest, str) and is_digest(digest)]

    def names(self, digest: str) -> bool:
        """Return whether a digest is listed."""
        return any(value.get("digest") == digest for value in self._manifests)

    def set(self, tag: str, entry: BlobEntry) -> None:
        """Let a tag name another manifest."""
        if not is_tag(tag):
            raise RepositoryError(f"{tag[:150]!r} cannot be a tag", where=self._where)
        value = entry.value()
        value["annotations"] = {REF_NAME: tag}
        kept = [old for old in self._manifests if _ref(old) != tag]
        self._manifests = sorted([*kept, value], key=lambda item: (_ref(item), str(item.get("digest"))))

    def remove(self, tag: str) -> bool:
        """Remove a tag. Return whether it existed."""
        kept = [value for value in self._manifests if _ref(value) != tag]
        removed = len(kept) < len(self._manifests)
        self._manifests = kept
        return removed

    def forget(self, digest: str) -> None:
        """Remove the descriptors of a digest."""
        self._manifests = [value for value in self._manifests if value.get("digest") != digest]

    def encode(self) -> bytes:
        return json.dumps({**self._rest, "manifests": self._manifests}, separators=(",", ":")).encode()


def describe(data: bytes, media_type: str) -> BlobEntry:
    """Return the descriptor of a manifest or index. media_type: "" takes it from the document."""
    value = json_object(data, "")
    config = value.get("config")
    artifact = value.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "")
    own = value.get("mediaType")
    kind = media_type or (own if isinstance(own, str) and own else OCI_INDEX if "manifests" in value else OCI_MANIFEST)
    if artifact == "application/vnd.oci.image.config.v1+json" or not isinstance(artifact, str):
        artifact = ""
    return BlobEntry(kind, digest_of(data), len(data), artifact)


def checked_manifest(data: bytes, digest: str, entry: BlobEntry | None, where: str) -> ManifestDocument:
    """Return a manifest or index. Raise Corrupt if it has another digest. entry: of the tag that was asked for."""
    if digest_of(data) != digest:
        raise differs(digest, digest_of(data), where, "manifest")
    return ManifestDocument(describe(data, entry.media_type if entry else "").media_type, digest, data)


def stored_pieces(
    fd: int, start: int, entry: BlobEntry, offset: int, length: int | None, where: str
) -> Iterator[bytes]:
    """Yield a part of a blob that lies in a file from a byte on. Raise Corrupt if the whole has another digest."""
    whole = offset == 0 and length is None
    hasher = light_hashes.sha256(size=entry.size) if whole else None
    at, end = offset, entry.size if length is None else min(offset + length, entry.size)
    while at < end:
        piece = os.pread(fd, min(_CHUNK, end - at), start + at)
        if not piece:
            why = f"it ended after {at} of {end} bytes"
            raise Corrupt(f"The blob {entry.digest} was truncated while it was read", where=where, why=why)
        at += len(piece)
        if hasher is not None:
            hasher.update(piece)
            if at >= end and (found := f"sha256:{hasher.hexdigest()}") != entry.digest:
                raise differs(entry.digest, found, where)
        yield piece
    if whole and not entry.size and digest_of(b"") != entry.digest:
        raise differs(entry.digest, digest_of(b""), where)


def subject_of(data: bytes) -> str:
    """Return the digest of a manifest's subject, or "" if it has none."""
    subject = json_object(data, "").get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return digest if isinstance(digest, str) and is_digest(digest) else ""


def annotations_of(data: bytes) -> dict[str, str]:
    """Return the annotations of a manifest."""
    found = json_object(data, "").get("annotations")
    texts = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}


def fallback_tag(digest: str) -> str:
    """Return the tag under which the referrers of a digest are listed."""
    return digest.replace(":", "-")


def referrers_document(data: bytes | None, entry: BlobEntry, annotations: Mapping[str, str]) -> bytes:
    """Return a list of referrers with one more. data: the list so far."""
    listed = [] if data is None else entries_of(json_object(data, ""), "")
    value = entry._replace(annotations=annotations).value()
    kept = [old for old in listed if old.get("digest") != entry.digest]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*kept, value]}
    return json.dumps(document, separators=(",", ":")).encode()


def filtered(data: bytes, artifact_type: str) -> list[BlobEntry]:
    """Return the descriptors of a list of referrers that have an artifact type, or all for ""."""
    entries = [entry_of(value, "") for value in entries_of(json_object(data, ""), "")]
    return [entry for entry in entries if not artifact_type or entry.artifact_type == artifact_type]


def entries_of(value: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the descriptors of an index."""
    manifests = value.get("manifests", [])
    if not isinstance(manifests, list) or not all(isinstance(item, dict) for item in manifests):
        raise Corrupt("An index has no list of manifests", where=where, why="`manifests` is not a list of objects")
    return manifests


def entry_of(value: Mapping[str, Any], where: str) -> BlobEntry:
    """Return a descriptor. Raise Corrupt if its fields are not valid."""
    kind, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if (
        not isinstance(kind, str)
        or not isinstance(digest, str)
        or not is_digest(digest)
        or size.__class__ is not int
        or not 0 <= size < 1 << 63
    ):
        raise Corrupt("An index has a descriptor that is not valid", where=where, why=str(value)[:200])
    artifact, annotations = value.get("artifactType"), value.get("annotations")
    texts = annotations.items() if isinstance(annotations, dict) else ()
    return BlobEntry(
        kind,
        digest,
        size,
        artifact if isinstance(artifact, str) else "",
        {name: text for name, text in texts if isinstance(text, str) and name != REF_NAME},
    )


def _ref(value: Mapping[str, Any]) -> str:
    annotations = value.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


def json_object(data: bytes, where: str) -> dict[str, Any]:
    """Parse a document. Raise Corrupt if it is not a JSON object."""
    try:
        value = strict_json.parse(data)
    except ValueError as error:
        raise Corrupt("A document is not JSON", where=where, why=str(error)) from None
    if not isinstance(value, dict):
        raise Corrupt("A document is not a JSON object", where=where)
    return value
