"""Compare blocks of a mapped file with recorded digests before their bytes are first used.

Hashing a whole large file takes longer than a few lookups in it. So each block is hashed when it is first used, at most
once in a process.
"""

from __future__ import annotations

import mmap

from blake3 import blake3
from fpack.store.errors import StoreError

BLOCK = 1 << 16
DIGEST = 16  # bytes of each block's digest

Buffer = mmap.mmap | bytes


class DamagedBlock(StoreError):
    """A block of a cached file whose content differs from its recorded digest."""


def digests(data: Buffer) -> bytes:
    """Return the digests of the blocks of `data`, joined."""
    with memoryview(data) as view:
        return b"".join(blake3(view[at : at + BLOCK]).digest(DIGEST) for at in range(0, len(view), BLOCK))


class CheckedBlocks:
    """The first `size` bytes of `data`, whose blocks are compared with `expected`, the result of `digests`.

    Methods raise DamagedBlock if a block differs. A search checks every block that its result depends on.
    """

    def __init__(self, data: Buffer, expected: bytes, size: int) -> None:
        self._data = data
        self._expected = expected
        self._size = size
        self._left = bytearray(b"\1") * -(-size // BLOCK)  # 1: not compared yet
        if len(expected) != DIGEST * len(self._left):
            raise DamagedBlock("A cached file has the wrong number of digests")

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        start, end, _ = key.indices(self._size)
        self._check(start, end)
        return self._data[start:end]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """Return the first offset of `sub` in a range, or -1."""
        last = self._size if end is None else end
        at = self._data.find(sub, start, last)
        self._check(start, last if at < 0 else at + len(sub))
        return at

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """Return the last offset of `sub` in a range, or -1."""
        last = self._size if end is None else end
        at = self._data.rfind(sub, start, last)
        self._check(max(at, start), last)
        return at

    def whole(self) -> Buffer:
        """Compare all blocks and return the data."""
        self._check(0, self._size)
        return self._data

    def _check(self, start: int, end: int) -> None:
        """Compare those blocks of a range that were not compared before."""
        first, last = start // BLOCK, -(-end // BLOCK)
        while (first := self._left.find(1, first, last)) >= 0:
            at = first * BLOCK
            found = blake3(self._data[at : min(at + BLOCK, self._size)]).digest(DIGEST)
            if found != self._expected[first * DIGEST : (first + 1) * DIGEST]:
                raise DamagedBlock("A cached file is damaged", why=f"its block at byte {at} has another digest")
            self._left[first] = 0
