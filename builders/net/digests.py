"""Compare data with the digests that are declared for it. Each declared digest must match."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from mmap import mmap

CHUNK = 1 << 18  # bytes
_TITLES = {"sha256": "SHA-256", "sha512": "SHA-512"}


class Digests:
    """The hashes of data, by the algorithms of its declared digests, which are hexadecimal; "" for none."""

    def __init__(self, sha256: str = "", sha512: str = "") -> None:
        self._wanted = {name: text for name, text in (("sha256", sha256), ("sha512", sha512)) if text}
        self._hashes = {name: hashlib.new(name) for name in self._wanted}

    def update(self, data: bytes | memoryview | mmap) -> None:
        """Add data."""
        for hasher in self._hashes.values():
            hasher.update(data)

    def problem(self) -> str:
        """Return which digest differs, or "" if all match. Without a declared digest nothing can match."""
        for name, hasher in self._hashes.items():
            if hasher.hexdigest() != self._wanted[name]:
                return f"its {_TITLES[name]} is {hasher.hexdigest()} instead of {self._wanted[name]}"
        return "" if self._wanted else "no digest is declared for it"


def matches(parts: Iterable[bytes | memoryview | mmap], sha256: str, sha512: str = "") -> bool:
    """Return whether data has the declared digests."""
    digests = Digests(sha256, sha512)
    for part in parts:
        digests.update(part)
    return not digests.problem()


def file_matches(path: str | os.PathLike[str], size: int | None, sha256: str, sha512: str = "") -> bool:
    """Return whether a file has the declared size, unless it is None, and digests."""
    with open(path, "rb", buffering=0) as file:
        if size is not None and os.fstat(file.fileno()).st_size != size:
            return False
        return matches(iter(lambda: file.read(CHUNK), b""), sha256, sha512)
