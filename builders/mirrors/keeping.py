"""Keep everything that a lock pins in a repository: write the files that it lacks, then one artifact that names all.

The artifact has a tag of what was asked for. A second tag, of the week, says when it was last asked for. It is written
last, so that keeping the lock again is one request. Files that were written before an interruption are not written
again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.distribution.names import digest_of
from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Repository, RepositoryError
from fpack.store import threads
from fpack.store.files.tree import chunks

from . import pages
from .kept_lock import CONFIG, LOCK_TAG, USE_TAG, KeptFile, KeptLock, encode_config, identities, lock_tag, use_tag

WORKERS = 8  # transfers at a time
RECENT = 3  # kept locks of a repository whose tables are read before another one is kept
ATTEMPTS = 3
_KEEPS_LESS = ("file:", "s3:")  # names of repositories that keep a manifest without its blobs


class KeepItem(NamedTuple):
    """Something to keep, of one or more files. keys: the digests by which they are found, each of one file.

    digest, size: of the blob of an only file, if they are known: `sha256:...`, and bytes, else None. aliases: other
    digests of an only file.
    """

    name: str
    keys: tuple[str, ...]
    digest: str = ""
    size: int | None = None
    aliases: tuple[str, ...] = ()


class ObtainedFile(NamedTuple):
    """A file on this machine. aliases: digests of its content that were checked, other than SHA-256."""

    name: str
    path: Path
    aliases: tuple[str, ...] = ()


class KeepRequest(NamedTuple):
    """The items to keep. obtain: returns the files of those items that are missing; it fetches and checks them."""

    identity: str
    lock: str
    items: Sequence[KeepItem]
    obtain: Callable[[Sequence[KeepItem]], Sequence[Sequence[ObtainedFile]]]


class KeepResult(NamedTuple):
    """The result. digest: of the artifact. unchanged: it was there. sent: the files that were written."""

    digest: str
    unchanged: bool
    files: int = 0
    size: int = 0
    sent: int = 0
    sent_bytes: int = 0


def is_kept(repository: Repository, identity: str, now: float, tag: str = "") -> str:
    """Return the digest of the artifact if a lock is kept already, else "". One request, but for the first of a week.

    tag: another one that must name the artifact.
    """
    found = repository.resolve(use_tag(identity, now))
    if found is not None and _is_tagged(repository, identity, found.digest):
        if tag and ((own := repository.resolve(tag)) is None or own.digest != found.digest):
            document = repository.manifest(found.digest)
            if document is None:
                return ""
            repository.write_manifest(document.data, document.media_type, tag)
        return found.digest
    document = repository.manifest(lock_tag(identity))
    if document is None or pages.decode(repository, document, identity) is None:
        return ""
    for name in filter(None, (use_tag(identity, now), tag)):
        repository.write_manifest(document.data, document.media_type, name)
    return document.digest


def keep(
    repository: Repository,
    request: KeepRequest,
    now: float,
    *,
    tag: str = "",
    settled: Callable[[Repository], None] = lambda repository: None,
) -> KeepResult:
    """Keep a lock. now: Unix seconds. tag: another one for the artifact.

    settled: waits until no collection deletes files of a repository any more.
    """
    pages.check_number(len({item.digest for item in request.items if item.digest}))
    for _ in range(ATTEMPTS):
        found = _present(repository, request.items, _known_files(repository))
        present = [file for files in found.values() for file in files]
        missing = [item for item in request.items if item not in found]
        obtained = [file for files in request.obtain(missing) for file in files] if missing else []
        written = _write_files(repository, obtained)
        files = {*present, *(file for file, _ in written)}
        lock = KeptLock(request.identity, request.lock, tuple(sorted(files)))
        config = encode_config(lock)
        _write_data(repository, CONFIG, config)
        # The tag of the week is the last one: with it, the lock counts as kept. A collection gives it to a lock that
        # has none, instead of deleting the lock.
        names = (tag, lock_tag(request.identity), use_tag(request.identity, now))
        entry = pages.write(repository, pages.encode(lock, config), [name for name in names if name])
        # A collection that began before may have deleted what was there.
        settled(repository)
        if _is_tagged(repository, request.identity, entry.digest) and _all_there(repository, present):
            sent = [file.size for file, is_new in written if is_new]
            return KeepResult(entry.digest, False, lock.number, lock.size, len(sent), sum(sent))
    raise RepositoryError(
        "Files disappear from the mirror while a lock is kept",
        where=repository.name,
        hint="wait until no other command, such as fpack mirror gc, deletes files there, and keep the lock again",
    )


def _write_files(repository: Repository, files: Sequence[ObtainedFile]) -> list[tuple[KeptFile, bool]]:
    """Write files, several at once, equal content once. Return each, and whether its bytes were sent."""
    with threads.Workers(WORKERS, "keeping files") as workers:
        described = workers.map(lambda file: describe_file(file.path, file.name, file.aliases), files)
        first = {kept.digest: (kept, file.path) for kept, file in reversed(list(zip(described, files, strict=True)))}
        new = dict(
            zip(first, workers.map(lambda one: repository.write_blob(blob_source(*one)), first.values()), strict=True)
        )
    return [(kept, new.pop(kept.digest, False)) for kept in described]


def _known_files(repository: Repository) -> dict[str, KeptFile]:
    """Return the files of the locks that were kept last, by each of their digests."""
    tags = [tag for prefix in (LOCK_TAG, USE_TAG) for tag in repository.tags(prefix)]
    known: dict[str, KeptFile] = {}
    for identity in identities(tags)[:RECENT]:
        try:
            kept = pages.read_kept(repository, identity)
        except RepositoryError:
            continue  # a damaged one saves no work, and `fpack mirror check` tells about it
        for file in kept.files if kept is not None else ():
            for key in (file.digest, *file.aliases):
                known.setdefault(key, file)
    return known


def _present(
    repository: Repository, items: Sequence[KeepItem], known: dict[str, KeptFile]
) -> dict[KeepItem, list[KeptFile]]:
    def look(item: KeepItem) -> list[KeptFile] | None:
        if item.digest and item.size is not None:
            files = [KeptFile(item.name, item.digest, item.size, item.aliases)]
        else:
            files = [known[key] for key in item.keys if key in known]
            if not files or len(files) < len(item.keys):
                return None
        return files if all(repository.has_blob(file.digest) for file in files) else None

    with threads.Workers(WORKERS, "looking for files") as workers:
        found = workers.map(look, items)
    return {item: files for item, files in zip(items, found, strict=True) if files is not None}


def _is_tagged(repository: Repository, identity: str, digest: str) -> bool:
    """Return whether a directory or a bucket still has the tag of a lock. A registry deletes them with the manifest."""
    if not repository.name.startswith(_KEEPS_LESS):
        return True
    found = repository.resolve(lock_tag(identity))
    return found is not None and found.digest == digest


def _all_there(repository: Repository, files: Sequence[KeptFile]) -> bool:
    """Return whether a directory or a bucket still has files. A registry refuses a manifest without its blobs."""
    return not repository.name.startswith(_KEEPS_LESS) or all(repository.has_blob(file.digest) for file in files)


def describe_file(path: Path, name: str, aliases: tuple[str, ...] = ()) -> KeptFile:
    """Return a file of this machine as a file of a kept lock."""
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = os.fstat(content.fileno()).st_size
    return KeptFile(name, f"sha256:{digest}", size, aliases)


def blob_source(file: KeptFile, path: Path) -> BlobSource:
    """Return the blob of a file, to write it from a file on this machine."""
    return BlobSource(file.digest, file.size, lambda offset: chunks(path, start=offset))


def _write_data(repository: Repository, media_type: str, data: bytes) -> BlobEntry:
    entry = BlobEntry(media_type, digest_of(data), len(data))
    repository.write_blob(BlobSource(entry.digest, entry.size, lambda offset: iter((data[offset:],))))
    return entry
