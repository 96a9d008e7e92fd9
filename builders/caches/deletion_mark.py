"""Mark a cache while its gc deletes blobs.

A machine that pushes does not write a blob that is there. If a gc deletes it before the index of the push is written,
the index names a blob that is gone. So a gc marks the cache, then reads the indexes once more, and deletes; a push
writes its index, then waits until there is no mark, and looks whether the blobs are still there. One of the two sees
the other.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator

from fpack.builders.distribution.protocol import BlobEntry, Repository, RepositoryError

from .format.artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source

PREFIX = "b-gc-"
LONGEST = 120  # seconds for which the mark of a gc counts that has crashed
_POLL = 0.5  # seconds
_TAG = re.compile(r"b-gc-([0-9]{13})-[0-9a-f]{16}\Z")


@contextlib.contextmanager
def marked(repository: Repository) -> Iterator[None]:
    """Mark a cache for the time of the block."""
    tag = f"{PREFIX}{int(time.time() * 1000):013}-{os.urandom(8).hex()}"
    # Many registries delete no tags, but manifests with their tags: the mark has one of its own.
    name = blob_source(tag.encode())
    for blob in (blob_source(EMPTY), name):
        repository.write_blob(blob)
    document = artifact([BlobEntry("application/octet-stream", name.digest, name.size)])
    written = repository.write_manifest(document, OCI_MANIFEST, tag)
    try:
        yield
    finally:
        for digest in (written.digest, name.digest):
            with contextlib.suppress(RepositoryError):
                repository.delete(digest)


def wait(repository: Repository, check: Callable[[], None] = lambda: None) -> None:
    """Wait until no gc deletes blobs, or the mark is one of a gc that crashed."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        # A registry may list a tag whose manifest was deleted.
        if not any(not is_old(tag) and repository.resolve(tag) is not None for tag in repository.tags(PREFIX)):
            return
        check()
        time.sleep(_POLL)


def is_old(tag: str) -> bool:
    """Tell whether a tag is no mark, or one of a gc that crashed."""
    parsed = _TAG.match(tag)
    return parsed is None or abs(time.time() * 1000 - int(parsed[1])) > LONGEST * 1000
