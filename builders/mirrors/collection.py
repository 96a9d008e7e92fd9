"""Delete kept locks that are no longer wanted, and the files that nothing else in the repository needs.

A registry frees blobs by its own garbage collection, so only the artifacts are deleted there. In a directory, the blobs
are deleted too, under its lock: a lock that is kept at the same time either names a blob before, which is then spared,
or finds afterwards that it is gone, and sends it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import ManifestDocument, Repository, RepositoryError
from fpack.store.locks import FileLock

from .kept_lock import (
    LOCK_TAG,
    MAX_MANIFEST,
    USE_TAG,
    StoredLock,
    identities,
    last_uses,
    lock_tag,
    parse,
    stored_lock,
    use_tag,
    use_tags,
)

MAX_MANIFESTS = 100_000


class CollectedLocks(NamedTuple):
    """The result of a collection, or of its dry run. size: bytes of the blobs; 0 if the registry frees them itself."""

    locks: Sequence[str]
    blobs: int
    size: int
    by_registry: bool


def collect(
    repository: Repository, identities: Sequence[str], *, dry_run: bool = False, say: Callable[[str], None]
) -> CollectedLocks:
    """Delete kept locks. say: tells which one is left, since another tag names it."""
    tags = repository.tags()
    other = [tag for tag in tags if not tag.startswith((LOCK_TAG, USE_TAG))]
    named = {found.digest: tag for tag in other if (found := repository.resolve(tag)) is not None}
    dropped: list[StoredLock] = []
    for identity in identities:
        stored = stored_lock(repository, identity)
        if stored is None:
            continue
        if (tag := named.get(stored.manifest.digest)) is not None:
            say(f"lock {identity[:12]} is left, since the tag {tag} names it")
            continue
        dropped.append(stored)
    own = {name for stored in dropped for name in (lock_tag(stored.identity), *use_tags(tags, stored.identity))}
    for stored in () if dry_run else dropped:
        _delete(repository, stored, use_tags(tags, stored.identity))
    names = [stored.identity for stored in dropped]
    if not isinstance(repository, DirectoryRepository):
        return CollectedLocks(names, 0, 0, True)
    candidates = {digest: size for stored in dropped for digest, size in stored.blobs.items()}
    candidates |= {stored.config.digest: stored.config.size for stored in dropped}
    candidates |= {stored.manifest.digest: len(stored.manifest.data) for stored in dropped}
    with contextlib.nullcontext() if dry_run else FileLock(repository.directory / ".lock", transient=False):
        needed = set(referenced(repository, own if dry_run else ()))
        unneeded = sorted(candidates.keys() - needed)
        if not dry_run:
            unneeded = [digest for digest in unneeded if repository.delete(digest)]
    return CollectedLocks(names, len(unneeded), sum(candidates[digest] for digest in unneeded), False)


def date(repository: Repository, now: float) -> None:
    """Record a use in this week of the kept locks without any, so that later collections know their age."""
    tags = repository.tags()
    uses = last_uses(tags)
    for identity in identities([tag for tag in tags if tag.startswith(LOCK_TAG)]):
        if identity not in uses and (document := repository.manifest(lock_tag(identity))) is not None:
            repository.write_manifest(document.data, document.media_type, use_tag(identity, now))


def _delete(repository: Repository, stored: StoredLock, uses: Sequence[str]) -> None:
    """Delete the tags of a kept lock; in a registry, also its manifest."""
    if isinstance(repository, DirectoryRepository):
        # The tag of the lock goes last: what is interrupted leaves a lock without a date, and no date without a lock.
        for tag in (*uses, lock_tag(stored.identity)):
            repository.delete(tag)
        return
    # Many registries delete no tags, but those of a manifest with it.
    repository.delete(stored.manifest.digest)
    for tag in (lock_tag(stored.identity), *uses):
        if repository.resolve(tag) is not None:
            with contextlib.suppress(RepositoryError):
                repository.delete(tag)


def referenced(repository: Repository, ignored: Iterable[str] = ()) -> Iterator[str]:
    """Yield the digests of all that the tags of a repository reach: manifests, configs and layers.

    ignored: tags that do not count. Raise RepositoryError if a manifest cannot be read: what it needs is unknown then.
    """
    skipped = set(ignored)
    todo = [tag for tag in repository.tags() if tag not in skipped]
    seen: set[str] = set()
    while todo:
        document = repository.manifest(todo.pop())
        if document is None or document.digest in seen:
            continue
        seen.add(document.digest)
        if len(seen) > MAX_MANIFESTS:
            raise RepositoryError("The mirror has too many manifests", where=repository.name)
        yield document.digest
        manifests, others = _children(document, repository.name)
        todo += manifests
        yield from manifests
        yield from others


def _children(document: ManifestDocument, where: str) -> tuple[list[str], list[str]]:
    """Return the digests of the manifests, and of the other blobs, that a document names."""
    value = parse(document.data, where, MAX_MANIFEST)
    lists = {name: value.get(name) for name in ("manifests", "layers", "blobs")}
    lists |= {"config": [value.get("config")], "subject": [value.get("subject")]}
    found: dict[str, list[str]] = {}
    for name, items in lists.items():
        listed = items if isinstance(items, list) else []
        found[name] = [str(item["digest"]) for item in listed if isinstance(item, dict) and "digest" in item]
    return [*found["manifests"], *found["subject"]], [*found["layers"], *found["blobs"], *found["config"]]
