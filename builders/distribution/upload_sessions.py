"""Remember the uploads under way, so that another process goes on with one that was killed.

A record names the URL where the registry takes the rest of a blob. It is private to the user, since such a URL may
permit writing. A record that is damaged, old or wrong only costs time: the registry is asked what it has, and compares
the whole blob with its digest at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from fpack.store.files import disk_cache
from fpack.store.files.owners import make_directories
from fpack.store.locks import FileLock

MAX_AGE = 7 * 86400  # seconds; registries delete unfinished uploads after about this time
MAX_LOCATION = 8192
_FORMAT = "1"


class UploadSession:
    """The record of a blob's upload to a repository. location: the URL where the rest goes, or "" if none is known."""

    def __init__(self, directory: Path | None, name: str) -> None:
        self._directory = directory
        self._name = name
        found = disk_cache.read(directory, name)
        text = bytes(found or b"").decode("utf-8", "replace")
        self.location = text if len(text) <= MAX_LOCATION and text.isprintable() else ""

    def save(self, location: str) -> None:
        """Record where the rest goes."""
        if len(location) <= MAX_LOCATION:
            disk_cache.write(self._directory, self._name, location.encode())

    def forget(self) -> None:
        """Delete the record: the upload is complete, or the registry refuses it."""
        self.location = ""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._directory / self._name)


class UploadSessions:
    """The records of a user. directory: None to remember nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    @contextlib.contextmanager
    def open(self, base: str, repository: str, digest: str) -> Iterator[UploadSession]:
        """Open the record of an upload. While another process has it open, this one remembers nothing."""
        name = hashlib.sha256(f"{_FORMAT}\0{base}\0{repository}\0{digest}".encode()).hexdigest()
        lock = self._lock(name)
        if lock is None:
            yield UploadSession(None, name)
            return
        try:
            yield UploadSession(self._directory, name)
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock | None:
        if self._directory is None:
            return None
        lock = FileLock(self._directory / f"{name}.lock")
        try:
            make_directories(os.fspath(self._directory))
            self._trim(self._directory)
            return lock if lock.try_acquire() else None
        except OSError:
            return None

    def _trim(self, directory: Path) -> None:
        """Delete what is too old to be of use."""
        least = time.time() - MAX_AGE
        with os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < least:
                        os.unlink(entry.path)
