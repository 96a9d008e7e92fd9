"""Record which paths machines take from a cache, so that its gc can delete the least recently used ones.

A use is a tag `u-DAY-SIZE-DIGEST` with one blob: the sorted hashes of paths. A machine records a path at most
once a day.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from fpack.builders.distribution.protocol import BlobEntry, NotThere, Repository
from fpack.store import DAY, base32, canonical
from fpack.store.errors import NotCanonical
from fpack.store.path import HASH_BYTES, StorePath

from .format.artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source

PREFIX = "u-"
MEDIA_TYPE = "application/vnd.fpack.cache.uses.v1"
MAX_BLOB = 64 << 20  # bytes
_TAG = re.compile(r"u-([0-9]{6})-([0-9a-f]{1,8})-([0-9a-f]{64})\Z")


class UseTag(NamedTuple):
    """The name of a list of used paths. day: since 1970."""

    day: int
    size: int
    digest: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.day:06}-{self.size:x}-{self.digest}"


def record(repository: Repository, paths: Iterable[StorePath]) -> None:
    """Write that paths were used today."""
    hashes = sorted({base32.decode(path.hash) for path in paths})
    data = canonical.encode(b"".join(hashes))
    entry = BlobEntry(MEDIA_TYPE, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    for blob in (EMPTY, data):
        repository.write_blob(blob_source(blob))
    tag = UseTag(int(time.time()) // DAY, len(data), entry.digest.removeprefix("sha256:"))
    repository.write_manifest(artifact([entry]), OCI_MANIFEST, str(tag))


def parse_tag(tag: str) -> UseTag | None:
    """Return the parts of a tag, or None if it does not name uses."""
    found = _TAG.match(tag)
    if found is None:
        return None
    parsed = UseTag(int(found[1]), int(found[2], 16), found[3])
    return parsed if str(parsed) == tag and 0 < parsed.size <= MAX_BLOB else None


def read(repository: Repository, tag: UseTag) -> frozenset[str]:
    """Return the hashes of used paths, as paths write them. Damaged lists are empty: they only spare paths."""
    try:
        pieces = repository.read_blob(BlobEntry(MEDIA_TYPE, f"sha256:{tag.digest}", tag.size))
        joined = canonical.decode(b"".join(pieces), most=1)
    except (NotThere, NotCanonical):
        return frozenset()
    if not isinstance(joined, bytes) or len(joined) % HASH_BYTES:
        return frozenset()
    return frozenset(base32.encode(joined[at : at + HASH_BYTES]) for at in range(0, len(joined), HASH_BYTES))
