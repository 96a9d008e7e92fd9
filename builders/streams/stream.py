"""Read and decompress a part of a file sequentially, in blocks, with a limit on the decompressed size.

Memory use is limited to a few blocks and the decoder's window for any input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fpack.light_typing import Any, BinaryIO
from fpack.store.errors import FpackError

READ = 1 << 16  # bytes
BLOCK = 1 << 18  # bytes
XZ_MEMORY = 96 << 20  # xz -9 needs 65 MiB
ZSTD_WINDOW = 1 << 27  # zstd -22


class ArchiveError(FpackError):
    """An archive that is damaged or violates a restriction. `where` holds the member's name, if there is one."""


class PieceReader:
    """A file made of pieces, which can only be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        end = self._at + size
        if end <= len(self._piece):
            data, self._at = self._piece[self._at : end], end
            return data
        data = self._piece[self._at :]
        while len(data) < size:
            self._piece, self._at = next(self._pieces, b""), size - len(data)
            if not self._piece:
                break
            data += self._piece[: self._at]
        return data


class Section:
    """The next `size` bytes of `file`. Reading raises ArchiveError if the file ends earlier."""

    def __init__(self, file: BinaryIO | PieceReader, size: int, what: str = "The archive") -> None:
        self._file = file
        self._what = what
        self.left = size

    def read(self, size: int = READ) -> bytes:
        """Return at most `size` bytes; b"" at the end of the section."""
        if size < 0 or size > self.left:
            size = self.left
        if not size:
            return b""
        data = self._file.read(size)
        if not data:
            raise ArchiveError(f"{self._what} is truncated", why=f"{self.left} bytes are missing at the end")
        self.left -= len(data)
        return data

    def skip(self) -> None:
        while self.read(BLOCK):
            pass


def blocks(section: Section, codec: str) -> Iterator[bytes]:
    """Yield the decompressed content in blocks of at most BLOCK bytes. codec: "", "gz", "bz2", "xz" or "zst"."""
    decode = _CODECS.get(codec)
    if decode is None:
        known = ", ".join(sorted(filter(None, _CODECS)))
        raise ArchiveError(f"Unknown compression {codec!r}", why=f"known ones are {known}")
    return decode(section)


def _plain(section: Section) -> Iterator[bytes]:
    while data := section.read(BLOCK):
        yield data


def _decode(section: Section, name: str, new: Callable[[], Any], error: type[Exception]) -> Iterator[bytes]:
    """Decompress with decoders that have the interface of lzma's and bz2's: one per concatenated stream."""
    data = section.read()
    while True:
        decoder = new()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = section.read()
                if not data:
                    raise ArchiveError(f"The {name} data is truncated", why="it ends in the middle of a stream")
            try:
                block = decoder.decompress(data, BLOCK)
            except error as cause:
                raise ArchiveError(f"The {name} data is damaged", why=str(cause)) from None
            data = b""
            if block:
                yield block
        data = decoder.unused_data
        while not (data := data.lstrip(b"\0")):
            if not (data := section.read()):
                return


def _xz(section: Section) -> Iterator[bytes]:
    import lzma

    return _decode(section, "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY), lzma.LZMAError)


def _bz2(section: Section) -> Iterator[bytes]:
    import bz2

    return _decode(section, "bzip2", bz2.BZ2Decompressor, OSError)


def _gzip(section: Section) -> Iterator[bytes]:
    import zlib

    class Decoder:
        """A wrapper of zlib's decoder with the interface of lzma's and bz2's."""

        def __init__(self) -> None:
            self._inner = zlib.decompressobj(wbits=31)
            self._rest = b""

        eof = property(lambda self: self._inner.eof)
        unused_data = property(lambda self: self._inner.unused_data)
        needs_input = property(lambda self: not self._rest)

        def decompress(self, data: bytes, limit: int) -> bytes:
            block = self._inner.decompress(self._rest + data if self._rest else data, limit)
            self._rest = self._inner.unconsumed_tail
            return block

    return _decode(section, "gzip", Decoder, zlib.error)


def _zstd(section: Section) -> Iterator[bytes]:
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    source: Any = section  # stream_reader needs only a read method
    reader = decoder.stream_reader(source, read_size=READ, read_across_frames=True)
    while True:
        try:
            block = reader.read(BLOCK)
        except zstandard.ZstdError as cause:
            raise ArchiveError("The zstd data is damaged", why=str(cause)) from None
        if not block:
            return
        yield block


_CODECS: dict[str, Callable[[Section], Iterator[bytes]]] = {
    "": _plain,
    "gz": _gzip,
    "bz2": _bz2,
    "xz": _xz,
    "zst": _zstd,
}


class Stream:
    """A byte stream made of blocks. Reading more than `limit` bytes raises ArchiveError."""

    def __init__(self, source: Iterator[bytes], limit: int) -> None:
        self._source = source
        self._block = b""
        self._at = 0
        self._limit = limit
        self._seen = 0

    @property
    def room(self) -> int:
        """The number of bytes that may still be read within the limit."""
        return self._limit - self._seen + len(self._block) - self._at

    def _fill(self) -> bool:
        self._block, self._at = next(self._source, b""), 0
        self._seen += len(self._block)
        if self._seen > self._limit:
            raise ArchiveError(
                "The archive is larger than allowed when unpacked",
                why=f"the limit is {self._limit} bytes, derived from the size that its package declares",
            )
        return bool(self._block)

    def exact(self, size: int) -> bytes:
        """Return the next `size` bytes in memory. Raise ArchiveError if there are fewer."""
        end = self._at + size
        if end <= len(self._block):
            data = self._block[self._at : end]
            self._at = end
            return data
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces. Raise ArchiveError if there are fewer."""
        while size:
            if self._at == len(self._block) and not self._fill():
                raise ArchiveError("The archive is truncated", why=f"{size} bytes of a member are missing")
            piece = self._block[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        end = self._at + size
        if end <= len(self._block):
            self._at = end
            return
        for _ in self.chunks(size):
            pass

    def rest(self) -> Iterator[bytes]:
        if self._at < len(self._block):
            yield self._block[self._at :]
        while self._fill():
            yield self._block
