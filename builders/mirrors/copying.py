"""Copy kept locks from one repository to another. What the other one has already is not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Corrupt, Repository
from fpack.store import threads

from .keeping import WORKERS, KeepResult
from .kept_lock import StoredLock, lock_tag, read_config, use_tag
from .pages import EncodedLock, stored_lock, write


def copy_lock(source: Repository, target: Repository, identity: str, now: float) -> KeepResult:
    """Copy a kept lock. Raise Corrupt if the source does not have it whole; the target then has no such lock."""
    stored = stored_lock(source, identity)
    if stored is None:
        raise Corrupt("The mirror has no such kept lock", where=source.name, why=identity)
    _check(source, stored)  # an invalid one is not spread
    found = target.resolve(lock_tag(identity))
    if found is not None and found.digest == stored.manifest.digest:
        target.write_manifest(stored.manifest.data, stored.manifest.media_type, use_tag(identity, now))
        return KeepResult(found.digest, True)
    *files, config = _entries(stored)
    sent = copy_blobs(source, target, files)
    copy_blobs(source, target, [config])
    documents = EncodedLock(stored.manifest.data, stored.manifest.media_type, tuple(page.data for page in stored.pages))
    write(target, documents, (lock_tag(identity), use_tag(identity, now)))  # in the order of `keeping.keep`
    size = sum(stored.blobs.values())
    return KeepResult(stored.manifest.digest, False, len(stored.blobs), size, len(sent), sum(sent))


def _check(source: Repository, stored: StoredLock) -> None:
    """Raise Corrupt if what a repository has by the name of a kept lock is another one, or has other files."""
    kept = read_config(source, stored)
    if kept.identity != stored.identity:
        raise Corrupt(
            "The mirror has another kept lock by this name", where=source.name,
            why=f"{stored.identity} is the lock {kept.identity}",
        )  # fmt: skip
    if {file.digest: file.size for file in kept.files} != stored.blobs:
        raise Corrupt("A kept lock has other files than it lists", where=source.name, why=stored.identity)


def _entries(stored: StoredLock) -> list[BlobEntry]:
    layers = [BlobEntry("application/octet-stream", digest, size) for digest, size in stored.blobs.items()]
    return [*layers, stored.config]


def copy_blobs(source: Repository, target: Repository, entries: Sequence[BlobEntry]) -> list[int]:
    """Copy blobs, several at once. Return the sizes of those that were sent."""

    def copy(entry: BlobEntry) -> bool:
        return target.write_blob(BlobSource(entry.digest, entry.size, _reader(source, entry)))

    with threads.Workers(WORKERS, "copying files") as workers:
        new = workers.map(copy, entries)
    return [entry.size for entry, is_new in zip(entries, new, strict=True) if is_new]


def _reader(source: Repository, entry: BlobEntry) -> Callable[[int], Iterator[bytes]]:
    return lambda offset: source.read_blob(entry, offset) if offset else source.read_blob(entry)
