"""Write and read the manifest of a kept lock: one, or pages of it, which an index names, if one would be too large.

Registries take manifests of at most 4 MB. Each page has the config of the lock and a part of its files, so that no two
locks share a page, and the garbage collection of a registry spares all files. The pages are written before the index.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fpack.builders.distribution.layout_index import describe
from fpack.builders.distribution.names import digest_of
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, ManifestDocument, Repository, RepositoryError

from .kept_lock import (
    ARTIFACT,
    CONFIG,
    INDEX,
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST,
    PAGED,
    KeptLock,
    StoredLock,
    decode_manifest,
    is_identity,
    lock_tag,
    parse,
    read_config,
)

PAGE = "application/vnd.fpack.kept-lock.page.v1"
PAGE_SIZE = MAX_MANIFEST  # bytes
MAX_PAGES = 256


class EncodedLock(NamedTuple):
    """The documents of a kept lock. data: the manifest, or the index of pages. pages: in their order."""

    data: bytes
    media_type: str
    pages: tuple[bytes, ...] = ()


def encode(kept: KeptLock, config: bytes) -> EncodedLock:
    """Return the documents of a kept lock: its layers are the files, each once. config: of the lock, encoded."""
    files = {file.digest: file.blob for file in sorted(kept.files)}
    layers = [_json(files[digest].value()) for digest in sorted(files)]
    entry = BlobEntry(CONFIG, digest_of(config), len(config))
    single = _manifest(ARTIFACT, entry, layers)
    if len(single) <= PAGE_SIZE:
        return EncodedLock(single, MANIFEST)
    room = PAGE_SIZE - len(_manifest(PAGE, entry, []))
    pages = tuple(_manifest(PAGE, entry, part) for part in _parts(layers, room))
    rows = [describe(page, MANIFEST)._replace(artifact_type=PAGE).value() for page in pages]
    index = {"schemaVersion": 2, "mediaType": INDEX, "artifactType": PAGED, "manifests": rows}
    return EncodedLock(_json(index), INDEX, pages)


def _manifest(kind: str, config: BlobEntry, layers: Sequence[bytes]) -> bytes:
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config.value(), "layers": []}
    return _json(value).replace(b'"layers":[]', b'"layers":[' + b",".join(layers) + b"]")


def _parts(layers: Sequence[bytes], room: int) -> Iterator[list[bytes]]:
    """Divide encoded descriptors into lists, each of which fits into some bytes with its commas."""
    part: list[bytes] = []
    used = 0
    for layer in layers:
        if part and used + len(layer) + 1 > room:
            yield part
            part, used = [], 0
        part.append(layer)
        used += len(layer) + 1
    yield part


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def check_number(files: int) -> None:
    """Raise RepositoryError if a lock has too many files, before one of them is sent."""
    if files > MAX_FILES:
        raise RepositoryError(
            "The lock pins too many files", why=f"{files} files; the limit is {MAX_FILES}",
            hint="divide the project, and keep the lock of each part",
        )  # fmt: skip


def write(repository: Repository, documents: EncodedLock, tags: Sequence[str]) -> BlobEntry:
    """Write the documents of a kept lock, whose files are there: first the pages, then the tags in their order."""
    for page in documents.pages:
        repository.write_manifest(page, MANIFEST)
    entries = [repository.write_manifest(documents.data, documents.media_type, tag) for tag in tags]
    return entries[-1]


def stored_lock(repository: Repository, identity: str) -> StoredLock | None:
    """Read the manifest of a kept lock. Return None if the tag is gone or names another kind of artifact."""
    if not is_identity(identity):
        return None
    found = repository.manifest(lock_tag(identity))
    return decode(repository, found, identity) if found is not None else None


def decode(repository: Repository, document: ManifestDocument, identity: str = "") -> StoredLock | None:
    """Return the kept lock of a manifest or an index, whose pages are read; None for another kind of artifact.

    Raise Corrupt if it is not valid, or lacks a page.
    """
    digests = _pages(document, repository.name)
    if digests is None:
        return decode_manifest(document, repository.name, identity)
    pages = [_page(repository, digest, identity) for digest in digests]
    blobs: dict[str, int] = {}
    for page in pages:
        if page.config != pages[0].config:
            raise Corrupt("The pages of a kept lock are of different locks", where=repository.name, why=identity)
        blobs |= page.blobs
        if len(blobs) > MAX_FILES:
            raise Corrupt("A kept lock has too many files", where=repository.name, why=f"the limit is {MAX_FILES}")
    return StoredLock(identity, document, pages[0].config, blobs, tuple(page.manifest for page in pages))


def read_kept(repository: Repository, identity: str) -> KeptLock | None:
    """Read a kept lock, and of several pages the first one only. Return None if the tag is gone or names no lock."""
    found = repository.manifest(lock_tag(identity)) if is_identity(identity) else None
    if found is None:
        return None
    digests = _pages(found, repository.name)
    if digests is None:
        stored = decode_manifest(found, repository.name, identity)
    else:
        stored = _page(repository, digests[0], identity)
    return read_config(repository, stored) if stored is not None else None


def _pages(document: ManifestDocument, where: str) -> list[str] | None:
    """Return the digests of the pages of an index, or None if a document is none of a kept lock."""
    value = parse(document.data, where, MAX_MANIFEST)
    if value.get("artifactType") != PAGED:
        return None
    rows = value.get("manifests")
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_PAGES:
        raise Corrupt("The index of a kept lock is not valid", where=where)
    digests = [row.get("digest") if isinstance(row, dict) else None for row in rows]
    found = [digest for digest in digests if isinstance(digest, str)]
    if len(found) < len(digests) or len(set(found)) < len(found):
        raise Corrupt("The index of a kept lock is not valid", where=where)
    return found


def _page(repository: Repository, digest: str, identity: str) -> StoredLock:
    page = repository.manifest(digest)
    if page is None:
        raise Corrupt("A page of a kept lock is missing", where=repository.name, why=digest)
    found = decode_manifest(page, repository.name, identity, PAGE)
    if found is None:
        raise Corrupt("The index of a kept lock names another document", where=repository.name, why=digest)
    return found
