"""Hash small data without OpenSSL, whose library takes longer to load than many quick commands run for.

CPython has implementations of its own, in modules of private names, which another Python may lack or name otherwise:
then hashlib does the work. It is several times as fast, so it also hashes what comes after the first megabyte.
"""

from __future__ import annotations

import sys
from importlib import import_module

from fpack.light_typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from hashlib import _Hash

_left = 1 << 20  # bytes that this process may still hash without hashlib
_OWN = {"sha256": ("_sha2", "_sha256"), "blake2b": ("_blake2",)}  # the first name of SHA-256 is that of Python 3.12


def sha256(data: bytes | bytearray | memoryview = b"", size: int = 0) -> _Hash:
    """Return the state of a SHA-256 after some data. size: bytes that the caller will add."""
    return _state("sha256", len(data) + size, data)


def blake2b(data: bytes, digest_size: int) -> _Hash:
    """Return the state of a BLAKE2b after some data."""
    return _state("blake2b", len(data), data, digest_size=digest_size)


def _state(name: str, size: int, data: bytes | bytearray | memoryview, **options: Any) -> _Hash:
    global _left
    _left -= size
    if _left >= 0 and "hashlib" not in sys.modules:
        for module in _OWN[name]:
            try:
                return cast("_Hash", getattr(import_module(module), name)(data, **options))
            except (ImportError, AttributeError):
                continue
    import hashlib

    return cast("_Hash", getattr(hashlib, name)(data, **options))
