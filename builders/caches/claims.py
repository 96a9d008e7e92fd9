"""Tell the machines that share a cache which builds are under way, so that each derivation is built about once.

A claim is a tag `b-KEY-TIME-NAME` on an empty manifest. It only saves work: a machine that sees a claim of another
waits for the result, until the claim is too old or its owner has removed it. In a repository that deletes no tags,
nothing is claimed: a build that failed would be waited for.
"""

from __future__ import annotations

import contextlib
import os
import re
import time

from fpack.builders.distribution.protocol import Repository, RepositoryError

from .artifacts import EMPTY, OCI_MANIFEST, artifact, blob_source

PREFIX = "b-"
LONGEST = 3600  # seconds for which a claim of a machine counts
_PROBE = f"{PREFIX}probe"  # a tag to find out whether the repository deletes tags
_TAG = re.compile(r"b-[0-9a-f]{40}-([0-9]{13})-([0-9a-f]{16})\Z")


class BuildClaims:
    """The claims of this process in one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._name = os.urandom(8).hex()
        self._held: dict[bytes, str] = {}
        self._since: dict[str, float] = {}  # tags of others, and when they were first seen
        self._is_usable: bool | None = None  # not known yet

    def take(self, key: bytes) -> bool:
        """Claim a build. Return False if another machine has a claim that is older."""
        try:
            if not self._prepare():
                return True
            if self._others(key):
                return False
            tag = f"{PREFIX}{key.hex()}-{int(time.time() * 1000):013}-{self._name}"
            self._repository.write_manifest(artifact(()), OCI_MANIFEST, tag)
            self._held[key] = tag
            # Two machines may have looked at the same time: the first claim counts.
            if any(other < tag for other in self._others(key)):
                self.release(key)
                return False
        except RepositoryError:
            pass  # without claims, a derivation may be built twice
        return True

    def release(self, key: bytes) -> None:
        """Remove a claim."""
        tag = self._held.pop(key, None)
        if tag is not None:
            with contextlib.suppress(RepositoryError):
                self._repository.delete(tag)

    def close(self) -> None:
        """Remove all claims."""
        for key in list(self._held):
            self.release(key)

    def _others(self, key: bytes) -> list[str]:
        now = time.monotonic()
        found = []
        for tag in self._repository.tags(f"{PREFIX}{key.hex()}-"):
            parsed = _TAG.match(tag)
            # The age is measured here, too: clocks of machines differ.
            if (
                parsed
                and parsed[2] != self._name
                and not is_old(tag)
                and now - self._since.setdefault(tag, now) < LONGEST
            ):
                found.append(tag)
        return found

    def _prepare(self) -> bool:
        """Tell whether the repository can have claims."""
        if self._is_usable is None:
            repository = self._repository
            repository.write_blob(blob_source(EMPTY))
            repository.write_manifest(artifact(()), OCI_MANIFEST, _PROBE)
            self._is_usable = False
            with contextlib.suppress(RepositoryError):
                self._is_usable = repository.delete(_PROBE) or repository.resolve(_PROBE) is None
        return self._is_usable


def is_old(tag: str) -> bool:
    """Tell whether a tag is a claim that no longer counts, such as that of a machine that crashed."""
    parsed = _TAG.match(tag)
    return parsed is not None and int(parsed[1]) < (time.time() - LONGEST) * 1000
