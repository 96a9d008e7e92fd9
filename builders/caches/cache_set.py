"""Keep the caches of a command in order, and leave out those that fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from fpack.builders.distribution.protocol import RepositoryError

from .cache import Cache


class CacheSet:
    """The caches that answer, in order of preference. A cache that fails is not asked again by this process."""

    def __init__(self, caches: Sequence[Cache], warn: Callable[[str], None]) -> None:
        self._caches = list(caches)
        self._warn = warn
        self._lock = threading.Lock()
        self._down: set[str] = set()

    @property
    def alive(self) -> list[Cache]:
        """The caches that have not failed."""
        return [cache for cache in self._caches if cache.address not in self._down]

    def skip(self, cache: Cache) -> None:
        """Do not use a cache that failed shortly before this command."""
        with self._lock:
            self._down.add(cache.address)
        self._warn(f"the cache {cache.address} is not used: it did not answer shortly before")

    def failed(self, cache: Cache, error: Exception) -> None:
        """Stop using a cache."""
        with self._lock:
            if cache.address in self._down:
                return
            self._down.add(cache.address)
        if isinstance(error, RepositoryError):
            cache.memory.failed()
        self._warn(f"the cache {cache.address} is not used: {error}")
