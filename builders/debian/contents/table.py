"""Pack the kept rows of a Contents index into one file, and find rows in it by bisection.

The file has blocks of sorted rows, each compressed on its own, and the table of the blocks: the first row's key, and
where the block ends in the file. A look-up decompresses one block. The cache that keeps the file checks its digest.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache

FORMAT = 1
BLOCK = 1 << 16  # bytes of a block before compression, but for its last row
_MAX_BLOCK = 4 << 20  # one row has at most a path, and a thousand names of packages
_LEVEL = 9  # of zstd
_BLOCKS = 64  # decompressed blocks that are kept
_ENTRY = struct.Struct(">QH")  # of the table: where the block ends, and the length of its first row's key
_COUNT = struct.Struct(">IQ")  # after the table: the number of blocks, and where the table begins


def pack_rows(rows: Iterable[bytes]) -> bytes:
    """Return the content of the file for sorted rows."""
    import zstandard
    from fpack.store.files.writer import joined

    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    out = bytearray()
    table = bytearray()
    count = 0
    for block in joined(rows, BLOCK):
        out += compressor.compress(block)
        key = block[: block.index(b"\t", block.index(b"\t") + 1)]
        table += _ENTRY.pack(len(out), len(key)) + key
        count += 1
    out += table + _COUNT.pack(count, len(out))
    return bytes(out)


class FileTable:
    """An open file of rows."""

    def __init__(self, file: memoryview) -> None:
        import zstandard

        self._file = file
        self._keys: list[bytes] = []
        self._ends = [0]
        count, at = _COUNT.unpack_from(file, len(file) - _COUNT.size)
        for _ in range(count):
            until, length = _ENTRY.unpack_from(file, at)
            at += _ENTRY.size + length
            self._keys.append(bytes(file[at - length : at]))
            self._ends.append(until)
        self._decompress = zstandard.ZstdDecompressor().decompress
        self._block = lru_cache(_BLOCKS)(self._unpacked)

    def starting_with(self, prefix: bytes) -> Iterator[bytes]:
        """Yield the rows that start with `prefix`, without their newline."""
        number = max(0, bisect_right(self._keys, prefix) - 1)
        for block in range(number, len(self._keys)):
            if block > number and not (self._keys[block] + b"\t").startswith(prefix):
                return
            rows = self._block(block)
            at = rows.find(b"\n" + prefix)
            while 0 <= at < len(rows) - 1 and rows.startswith(prefix, at + 1):
                end = rows.index(b"\n", at + 1)
                yield rows[at + 1 : end]
                at = end

    def _unpacked(self, number: int) -> bytes:
        """Return a block's rows after a newline."""
        packed = self._file[self._ends[number] : self._ends[number + 1]]
        return b"\n" + bytes(self._decompress(packed, max_output_size=_MAX_BLOCK))
