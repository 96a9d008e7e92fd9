"""Tell the machines that share a cache which builds are under way, so that each derivation is built about once.

A claim is a tag `b-KEY-TIME-NAME` on an empty manifest, and a machine that has claims renews a tag `b-alive-TIME-NAME`.
It only saves work: a machine that sees a claim of another waits for the result, until the claim's owner has removed it
or is silent. In a repository that deletes no tags, nothing is claimed: a build that failed would be waited for.

A process locks a file with the name of its claims, so that other processes of the same store notice when it was killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path

from fpack.builders.distribution.protocol import Repository, RepositoryError
from fpack.store import threads
from fpack.store.files.presence import is_present
from fpack.store.locks import CLAIM_LOCK, FileLock

from .format.artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source

PREFIX = "b-"
LONGEST = 3600  # seconds for which a claim counts by its time: clocks of machines differ
RENEWAL = 60  # seconds after which a machine shows again that it lives
SILENCE = 240  # seconds after which the claims of a machine that does not show it count no longer
_LOOK = 15  # seconds between looks at who lives
_ALIVE = f"{PREFIX}alive-"
_PROBE = f"{PREFIX}probe"  # a tag to find out whether the repository deletes tags
_TAG = re.compile(r"b-(?:[0-9a-f]{40}|alive)-([0-9]{13})-([0-9a-f]{16})\Z")


class BuildClaims:
    """The claims of this process in one repository. locks: the directory of its store's locks. Close it at the end."""

    def __init__(self, repository: Repository, locks: Path | None = None) -> None:
        self._repository = repository
        self._name = os.urandom(8).hex()
        self._locks = locks
        self._locking = threading.Lock()
        self._lock: FileLock | None = None
        self._held: dict[bytes, str] = {}
        self._seen: dict[str, float] = {}  # tags of others, and when they were first seen
        self._shown: dict[str, float] = {}  # names of others, and when they were last seen to live
        self._looked = float("-inf")
        self._is_usable: bool | None = None  # not known yet
        self._alive = ""  # the tag that shows that this process lives
        self._ended = threading.Event()
        self._renewing: threads.ThreadJob[None] | None = None

    def take(self, key: bytes) -> bool:
        """Claim a build. Return False if another machine has a claim that is older."""
        try:
            if not self._prepare():
                return True
            if self._others(key):
                return False
            self._show_life()
            tag = self._tag(key.hex())
            self._repository.write_manifest(artifact(()), OCI_MANIFEST, tag)
            self._held[key] = tag
            # Two machines may have looked at the same time: the first claim counts.
            if any(other < tag for other in self._others(key)):
                self.release(key)
                return False
            if self._renewing is None:
                self._renewing = threads.start(self._renew, "claims")
        except (RepositoryError, OSError):
            pass  # without claims, a derivation may be built twice
        return True

    def release(self, key: bytes) -> None:
        """Remove a claim."""
        self._delete(self._held.pop(key, ""))

    def close(self) -> None:
        """Remove all claims."""
        self._ended.set()
        for key in list(self._held):
            self.release(key)
        if self._renewing is not None:
            self._renewing.wait()
        self._delete(self._alive)
        if self._lock is not None:
            self._lock.release()

    def renew(self) -> None:
        """Show that this process lives, if it has claims."""
        if self._held:
            before, self._alive = self._alive, self._tag("alive")
            with contextlib.suppress(RepositoryError):
                self._repository.write_manifest(artifact(()), OCI_MANIFEST, self._alive)
            if before != self._alive:  # which is so within a millisecond
                self._delete(before)

    def _show_life(self) -> None:
        """Lock the file by which processes of the same store know that this one lives."""
        with self._locking:
            if self._lock is None and self._locks is not None:
                lock = FileLock(self._locks / f"{CLAIM_LOCK}{self._name}")
                lock.acquire()
                self._lock = lock

    def _was_killed(self, name: str) -> bool:
        """Return whether the owner of a claim is a dead process of this store. Delete its claims then."""
        path = self._locks / f"{CLAIM_LOCK}{name}" if self._locks is not None else None
        if path is None or not is_present(path):
            return False
        lock = FileLock(path)
        if not lock.try_acquire():
            return False
        is_clean = False
        try:
            for tag in self._repository.tags(PREFIX):
                if tag.endswith(f"-{name}"):
                    self._repository.delete(tag)
            is_clean = True
        finally:
            lock.release(keep=not is_clean)
        return True

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            self.renew()

    def _tag(self, what: str) -> str:
        return f"{PREFIX}{what}-{int(time.time() * 1000):013}-{self._name}"

    def _delete(self, tag: str) -> None:
        if tag:
            with contextlib.suppress(RepositoryError):
                self._repository.delete(tag)

    def _others(self, key: bytes) -> list[str]:
        """Return the claims of other machines that live. Ages are measured here, too: clocks of machines differ."""
        now = time.monotonic()
        found = []
        for tag in self._repository.tags(f"{PREFIX}{key.hex()}-"):
            parsed = _TAG.match(tag)
            if parsed and parsed[2] != self._name and not is_old(tag) and not self._was_killed(parsed[2]):
                self._seen.setdefault(tag, now)
                found.append((tag, parsed[2]))
        if found and now - self._looked > _LOOK:
            self._looked = now
            for tag in self._repository.tags(_ALIVE):
                parsed = _TAG.match(tag)
                if parsed and tag not in self._seen:
                    self._seen[tag] = self._shown[parsed[2]] = now
        return [tag for tag, name in found if now - max(self._seen[tag], self._shown.get(name, 0.0)) < SILENCE]

    def _prepare(self) -> bool:
        """Return whether the repository can have claims."""
        if self._is_usable is None:
            repository = self._repository
            repository.write_blob(blob_source(EMPTY))
            repository.write_manifest(artifact(()), OCI_MANIFEST, _PROBE)
            self._is_usable = False
            with contextlib.suppress(RepositoryError):
                self._is_usable = repository.delete(_PROBE) or repository.resolve(_PROBE) is None
        return self._is_usable


def is_old(tag: str) -> bool:
    """Return whether a tag is a claim that no longer counts, such as that of a machine that crashed."""
    parsed = _TAG.match(tag)
    return parsed is not None and int(parsed[1]) < (time.time() - LONGEST) * 1000
