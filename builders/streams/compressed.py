"""Compress a stream of bytes with a layer codec while writing it to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fpack.store.canonical import Value
from fpack.store.files.writer import write_all

from . import codecs


def compress(
    pieces: Iterator[bytes],
    codec: Mapping[str, Value],
    size: int,
    fd: int,
    consumer: Callable[[bytes], None] | None = None,
) -> int:
    """Compress `pieces`, exactly `size` bytes in total, into `fd`. Return the number of bytes written.

    consumer: called with each chunk of compressed bytes, to hash it, for example.
    """
    compressor: Any = codecs.compressor(codec, size)
    written = 0

    def put(data: bytes) -> None:
        nonlocal written
        if data:
            written += len(data)
            write_all(fd, data)
            if consumer is not None:
                consumer(data)

    for piece in pieces:
        put(compressor.compress(piece))
    put(compressor.flush())
    return written
