"""Delete kept locks that are no longer wanted, and the files that nothing else in the repository needs.

A registry frees blobs by its own garbage collection, so only the artifacts are deleted there. In a directory and in a
bucket, the blobs are deleted too, and what interrupted commands left. This is done under the lock of the directory, or
under a mark in the bucket: a lock that is kept at the same time either names a blob before, which is then spared, or
finds afterwards that it is gone, and sends it again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from fpack.builders.distribution import orphans
from fpack.builders.distribution.bucket import BucketRepository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Corrupt, NotThere, Repository, RepositoryError
from fpack.store.locks import FileLock

from .kept_lock import LOCK_TAG, USE_TAG, StoredLock, identities, last_uses, lock_tag, read_config, use_tag, use_tags
from .pages import stored_lock

# Marks a repository for the time of a block, and gives a function that raises if the mark no longer counts.
Marking: TypeAlias = Callable[[Repository], AbstractContextManager[Callable[[], None]]]


def _nothing() -> None:
    pass


class CollectedLocks(NamedTuple):
    """The result of a collection, or of its dry run. size: bytes of the blobs; 0 if the registry frees them itself."""

    locks: Sequence[str]
    blobs: int
    size: int
    by_registry: bool


def collect(
    repository: Repository,
    identities: Sequence[str],
    *,
    dry_run: bool = False,
    say: Callable[[str], None],
    marked: Marking = lambda repository: contextlib.nullcontext(_nothing),
) -> CollectedLocks:
    """Delete kept locks. say: tells which one is not deleted, since another tag names it.

    marked: marks a bucket while files are deleted.
    """
    tags = repository.tags()
    other = [tag for tag in tags if not tag.startswith((LOCK_TAG, USE_TAG))]
    named = {found.digest: tag for tag in other if (found := repository.resolve(tag)) is not None}
    dropped: list[StoredLock] = []
    for identity in identities:
        stored = stored_lock(repository, identity)
        if stored is None:
            continue
        if (tag := named.get(stored.manifest.digest)) is not None:
            say(f"lock {identity[:12]} is not deleted, since the tag {tag} names it")
            continue
        dropped.append(stored)
    own = {name for stored in dropped for name in (lock_tag(stored.identity), *use_tags(tags, stored.identity))}
    for stored in () if dry_run else dropped:
        _delete(repository, stored, use_tags(tags, stored.identity))
    names = [stored.identity for stored in dropped]
    if not isinstance(repository, (DirectoryRepository, BucketRepository)):
        return CollectedLocks(names, 0, 0, True)
    candidates = {digest: size for stored in dropped for digest, size in stored.blobs.items()}
    candidates |= {stored.config.digest: stored.config.size for stored in dropped}
    documents = [document for stored in dropped for document in (stored.manifest, *stored.pages)]
    candidates |= {document.digest: len(document.data) for document in documents}
    if isinstance(repository, DirectoryRepository) and not dry_run:
        # Lists of what is attached to lost images: `index.json` names them, and is changed under the same lock.
        for digest in filter(repository.is_listed, orphans.find(repository, time.time())):
            repository.delete(digest)
    with _alone(repository, dry_run, marked) as check:
        candidates |= orphans.find(repository, time.time(), own if dry_run else ())
        needed = orphans.reached(repository, own if dry_run else ()) if candidates else set()
        unneeded = sorted(candidates.keys() - needed)
        if not dry_run:
            deleted = []
            for digest in unneeded:
                check()
                if repository.delete(digest):
                    deleted.append(digest)
            unneeded = deleted
    return CollectedLocks(names, len(unneeded), sum(candidates[digest] for digest in unneeded), False)


@contextlib.contextmanager
def _alone(repository: orphans.Listing, dry_run: bool, marked: Marking) -> Iterator[Callable[[], None]]:
    """Keep other commands from relying on what is deleted. Yield a function to call before each deletion."""
    if dry_run:
        yield _nothing
    elif isinstance(repository, DirectoryRepository):
        with FileLock(repository.directory / ".lock", transient=False):
            yield _nothing
    else:
        with marked(repository) as check:
            yield check


def date(repository: Repository, now: float) -> None:
    """Record a use in this week of the kept locks without any, so that later collections know their age."""
    tags = repository.tags()
    uses = last_uses(tags)
    for identity in identities([tag for tag in tags if tag.startswith(LOCK_TAG)]):
        if identity not in uses and (document := repository.manifest(lock_tag(identity))) is not None:
            repository.write_manifest(document.data, document.media_type, use_tag(identity, now))


def _delete(repository: Repository, stored: StoredLock, uses: Sequence[str]) -> None:
    """Delete the tags of a kept lock; in a registry, also its manifest."""
    if isinstance(repository, (DirectoryRepository, BucketRepository)):
        # The tag of the lock goes last: what is interrupted leaves a lock without a date, and no date without a lock.
        for tag in (*uses, lock_tag(stored.identity)):
            repository.delete(tag)
        return
    # Many registries delete no tags, but those of a manifest with it.
    if _is_own(repository, stored):
        for document in (stored.manifest, *stored.pages):  # the index first: none names a page that is gone
            repository.delete(document.digest)
    for tag in (lock_tag(stored.identity), *uses):
        if repository.resolve(tag) is not None:
            with contextlib.suppress(RepositoryError):
                repository.delete(tag)


def _is_own(repository: Repository, stored: StoredLock) -> bool:
    """Return whether the documents that the tag of a lock names are of this lock, and not of another one.

    Whoever can push can let a tag name them, or an index the pages of another lock. All of them have the lock's config.
    """
    try:
        return read_config(repository, stored).identity == stored.identity
    except NotThere:
        return True  # without its config, no lock is of use
    except Corrupt:
        return False  # a later version of fpack may have written it
