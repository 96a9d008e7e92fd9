"""Find what no tag of a directory or a bucket leads to: blobs of interrupted pushes, and images that lost their tags.

Registries delete such content by their own garbage collection, and do not list it. What is attached to a manifest,
such as its signatures, stays as long as the manifest. Only content of a certain age counts, since a push writes blobs
before the tag that leads to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from fpack.store import DAY

from .bucket import BucketRepository
from .layout import DirectoryRepository
from .layout_index import MAX_MANIFEST, json_object
from .protocol import Corrupt, ManifestDocument, RepositoryError

AGE = 2 * DAY  # seconds since content was written or used, after which no running push is about to name it
MAX_MANIFESTS = 100_000

# The repositories that list their blobs, and that nothing else cleans.
Listing: TypeAlias = DirectoryRepository | BucketRepository

_ATTACHED = re.compile(r"sha256-([0-9a-f]{64})(\.[a-z0-9]+)?\Z")  # tags of lists of referrers, and those of cosign


def find(repository: Listing, now: float, ignored: Iterable[str] = ()) -> dict[str, int]:
    """Return the sizes of the blobs that nothing leads to and that are of age, by digest. now: Unix seconds.

    ignored: tags that do not count. Raise RepositoryError if a manifest cannot be read: what it needs is unknown then.
    """
    old = {digest: size for digest, size, used in repository.blobs() if used < now - AGE}
    if old:
        for digest in reached(repository, ignored):
            old.pop(digest, None)
    return old


def reached(repository: Listing, ignored: Iterable[str] = ()) -> set[str]:
    """Return the digests of all that the tags of a repository lead to: manifests, configs and layers."""
    skipped = set(ignored)
    attached: dict[str, list[str]] = {}
    todo = repository.untagged() if isinstance(repository, DirectoryRepository) else []
    for tag in repository.tags():
        match = _ATTACHED.match(tag)
        # The manifest itself may be in another repository.
        if match is not None and repository.has_blob(f"sha256:{match[1]}"):
            attached.setdefault(f"sha256:{match[1]}", []).append(tag)
        elif tag not in skipped:
            todo.append(tag)
    if isinstance(repository, BucketRepository):
        for subject, digest in repository.attached():
            attached.setdefault(subject, []).append(digest)
            if not repository.has_blob(subject):
                todo.append(digest)
    found: set[str] = set()
    read: set[str] = set()
    while todo:
        reference = todo.pop()
        if reference in read or (document := repository.manifest(reference)) is None or document.digest in read:
            continue
        read.add(document.digest)
        if len(read) > MAX_MANIFESTS:
            why = f"the limit is {MAX_MANIFESTS}"
            raise RepositoryError("The repository has too many manifests", where=repository.name, why=why)
        found.add(document.digest)
        todo += attached.get(document.digest, ())
        manifests, blobs = children(document, repository.name)
        todo += manifests
        found.update(manifests, blobs)
    return found


def children(document: ManifestDocument, where: str) -> tuple[list[str], list[str]]:
    """Return the digests of the manifests, and of the other blobs, that a document names."""
    if len(document.data) > MAX_MANIFEST:
        raise Corrupt("A document is too large", where=where, why=f"the limit is {MAX_MANIFEST} bytes")
    value = json_object(document.data, where)
    lists = {name: value.get(name) for name in ("manifests", "layers", "blobs")}
    lists |= {"config": [value.get("config")], "subject": [value.get("subject")]}
    found = {name: list(_digests(items)) for name, items in lists.items()}
    return [*found["manifests"], *found["subject"]], [*found["layers"], *found["blobs"], *found["config"]]


def _digests(items: object) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and "digest" in item:
            yield str(item["digest"])
