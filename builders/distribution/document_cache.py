"""Keep small documents of registries, by digest, in a bounded directory, so that no document is fetched twice.

Only documents that are named by their digests are kept: manifests, configurations, exact manifests, bills. Tags and
lists of referrers change, and are always asked for. Layers are not kept here: a pull puts them into the store.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fpack import light_hashes
from fpack.store.files import disk_cache

MAX_DOCUMENT = 32 << 20  # bytes
MAX_BYTES = 256 << 20  # bytes
_KEPT = 0.75  # of MAX_BYTES, after documents were deleted


class DocumentCache:
    """Documents by digest. directory: None for no cache. A damaged or unwritable cache only costs time."""

    def __init__(self, directory: Path | None, most: int = MAX_BYTES) -> None:
        self._directory = directory
        self._most = most

    def read(self, digest: str) -> bytes | None:
        """Return a document, or None. digest: `sha256:` and 64 hexadecimal digits."""
        name = digest.removeprefix("sha256:")
        found = disk_cache.read(self._directory, name)
        if self._directory is None or found is None or light_hashes.sha256(found).hexdigest() != name:
            return None
        with contextlib.suppress(OSError):
            os.utime(self._directory / name)  # the least recently used is deleted first
        return bytes(found)

    def write(self, digest: str, data: bytes) -> None:
        """Keep a document, unless it is large, and delete others if there is no room."""
        if self._directory is None or len(data) > MAX_DOCUMENT:
            return
        disk_cache.write(self._directory, digest.removeprefix("sha256:"), data)
        with contextlib.suppress(OSError):
            self._trim()

    def _trim(self) -> None:
        assert self._directory is not None
        with os.scandir(self._directory) as entries:
            found = [(status.st_mtime, status.st_size, entry.path) for entry in entries for status in [entry.stat()]]
        left = sum(size for _, size, _ in found)
        if left <= self._most:
            return
        for _, size, path in sorted(found):
            if left <= self._most * _KEPT:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            left -= size
