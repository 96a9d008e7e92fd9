"""Errors of caches."""

from __future__ import annotations

from fpack.store.errors import FpackError


class CacheError(FpackError):
    """A cache that cannot do what is asked, or content of a cache that is refused."""


class BadIndex(CacheError):
    """An index of a cache that is damaged, too large, or not valid."""


class BadContent(CacheError):
    """Content of a cache that is not the store path that its index names."""


class RolledBack(CacheError):
    """A cache that shows an older state than it did before."""
