"""Mark a cache while its gc deletes blobs.

A machine that pushes does not write a blob that is there. If a gc deletes it before the index of the push is written,
the index names a blob that is gone. So a gc marks the cache, then reads the indexes once more, and deletes; a push
writes its index, then waits until there is no mark, and looks whether the blobs are still there. One of the two sees
the other. The push of an image does the same after it has written the tag.

A mark is a tag `b-gc-TIME-NAME`. The gc renews it: it writes a tag with a new time, and deletes the former. A push
waits as long as the mark shows life, and no longer than `SILENCE` for one that does not, such as that of a gc that was
killed. A gc that could not renew its mark in time deletes nothing more, since pushes no longer wait for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator

from fpack.builders.distribution.protocol import BlobEntry, Corrupt, Repository, RepositoryError, Unavailable
from fpack.store import threads

from .format import index as indexes
from .format.artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source
from .format.errors import CacheError

PREFIX = "b-gc-"
RENEWAL = 20  # seconds after which a gc renews its mark
SILENCE = 120  # seconds after which a mark that was not renewed counts no longer
HELD = 60  # seconds after which a gc whose mark was not renewed deletes nothing more: requests and clocks take time
LONGEST = 3600  # seconds for which a mark counts by its time: clocks of machines differ
_POLL = 0.5  # seconds
_TAG = re.compile(r"b-gc-([0-9]{13})-([0-9a-f]{16})\Z")


def _uptime() -> float:
    """Return the seconds since this machine started. Unlike time.monotonic, it counts those of a suspended machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class DeletionMark:
    """The mark of this process in a repository, from `write` to `remove`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._name = os.urandom(8).hex()
        self._digests: tuple[str, ...] = ()  # of the manifest and the blob of the tag
        self._renewed = _uptime()
        self._is_lost = False

    def write(self) -> None:
        """Write the mark, or renew it. Raise RepositoryError if that fails."""
        begun = _uptime()
        self._is_lost = self._is_lost or (bool(self._digests) and begun - self._renewed > HELD)
        tag = f"{PREFIX}{int(time.time() * 1000):013}-{self._name}"
        # Many registries delete no tags, but manifests with their tags: the mark has one of its own.
        name = blob_source(tag.encode())
        for blob in (blob_source(EMPTY), name):
            self._repository.write_blob(blob)
        document = artifact([BlobEntry("application/octet-stream", name.digest, name.size)])
        written = self._repository.write_manifest(document, OCI_MANIFEST, tag)
        before, self._digests = self._digests, (written.digest, name.digest)
        self._renewed = begun
        if before != self._digests:  # which is so within a millisecond
            _delete(self._repository, before)

    def remove(self) -> None:
        """Remove the mark."""
        _delete(self._repository, self._digests)

    def check(self) -> None:
        """Raise CacheError if pushes may no longer wait for this gc, so that it must not delete anything."""
        if self._is_lost or _uptime() - self._renewed > HELD:
            raise CacheError(
                "The gc of a cache ended early",
                why=f"its mark in the cache was not renewed for {HELD} seconds, and pushes no longer wait for it",
                hint="run it again: what is deleted is not used, and the rest is found again",
            )


@contextlib.contextmanager
def marked(repository: Repository) -> Iterator[DeletionMark]:
    """Mark a cache for the time of the block. Call `check` of the mark before each deletion."""
    mark = DeletionMark(repository)
    mark.write()
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWAL):
            with contextlib.suppress(RepositoryError, OSError):  # `check` notices
                mark.write()

    renewing = threads.start(renew, "gc mark")
    try:
        yield mark
    finally:
        ended.set()
        renewing.wait()
        mark.remove()


def wait(repository: Repository, check: Callable[[], None] = lambda: None) -> None:
    """Wait until no gc deletes blobs. The mark of a gc that does not renew it is removed after some time."""
    seen: dict[str, float] = {}  # tags, and when they were first seen: clocks of machines differ
    while True:
        # A registry may list a tag whose manifest was deleted.
        tags = [tag for tag in repository.tags(PREFIX) if not is_old(tag) and repository.resolve(tag) is not None]
        now = time.monotonic()
        for tag in tags:
            if now - seen.setdefault(tag, now) >= SILENCE:
                _forget(repository, tag)
        if all(now - seen[tag] >= SILENCE for tag in tags):
            return
        check()
        time.sleep(_POLL)


def settle(repository: Repository) -> bool:
    """Wait until no gc deletes blobs of a repository. Return whether one may have done so: the repository is a cache.

    Pushes of images call this after they have written the tag: a gc that marks the cache later finds the image. Raise
    Unavailable if the repository does not answer.
    """
    try:
        if not any(tag.startswith((indexes.PREFIX, PREFIX)) for tag in repository.tags()):
            return False
    except (Corrupt, Unavailable):
        raise  # whether it is a cache is not known: the blobs may be gone
    except RepositoryError:
        return False  # it does not list its tags: it is no cache, since nobody can read one without them
    wait(repository)
    return True


def is_old(tag: str) -> bool:
    """Return whether a tag is no mark, or one of a gc that crashed long ago."""
    parsed = _TAG.match(tag)
    return parsed is None or abs(time.time() * 1000 - int(parsed[1])) > LONGEST * 1000


def _forget(repository: Repository, tag: str) -> None:
    """Remove the mark of a gc that crashed, so that the next push does not wait for it."""
    with contextlib.suppress(RepositoryError):
        entry = repository.resolve(tag)
        if entry is not None:
            _delete(repository, (entry.digest, blob_source(tag.encode()).digest))


def _delete(repository: Repository, digests: tuple[str, ...]) -> None:
    for digest in digests:
        with contextlib.suppress(RepositoryError):
            repository.delete(digest)
