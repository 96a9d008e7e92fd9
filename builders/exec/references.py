"""Find and replace store hashes in bytes. The hashes in an output are its references.

A hash counts wherever its 32 characters occur, with or without the store's prefix. All functions process a stream piece
by piece in constant memory.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

from fpack.store.base32 import ALPHABET
from fpack.store.files.tree import CHUNK
from fpack.store.path import HASH_CHARS

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
MAX_UNPACKED = 4 << 30  # bytes of decompressed content to search per file
_KEEP = 2 * HASH_CHARS  # bytes of a piece to keep, since a hash (perhaps in UTF-16) may span two pieces

_TABLE = bytes(1 if chr(i) in ALPHABET else 0 for i in range(256))
_RUN = b"\1" * HASH_CHARS
_STEP = 8  # every eighth byte is sampled
_FEW = b"\1" * (HASH_CHARS // _STEP)
_NEAR = 128  # bytes of the sample between streaks of letters that are near each other
_DENSE = 4  # number of such streaks after which all of the data is searched
_PART = 2048  # bytes of the sample that are searched at once then


class Finder:
    """A search for hashes (32 bytes each). found: the hashes seen so far. wide: the hashes seen as UTF-16."""

    def __init__(self, hashes: Collection[bytes], wide: Collection[bytes] = ()) -> None:
        self.found: set[bytes] = set()
        self.wide: set[bytes] = set()
        self._hashes = hashes
        self._wide = {hash_: hash_.decode().encode("utf-16-le") for hash_ in wide}
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        # Joining the whole piece to the end of the last one would copy it.
        if self._tail:
            self._find(self._tail + piece[:_KEEP])
        self._find(piece)
        self._tail = piece[-_KEEP:] if len(piece) >= _KEEP else (self._tail + piece)[-_KEEP:]

    def _find(self, data: bytes) -> None:
        if self._hashes:
            self._search(data)
        for hash_, form in self._wide.items():
            if form in data:
                self.wide.add(hash_)

    def restart(self) -> None:
        """Begin a new stream: the next piece does not continue the last one."""
        self._tail = b""

    def _search(self, data: bytes) -> None:
        """Search runs of 32 letters. At least four of every eighth byte are in one, and most data has no four.

        Searching backwards is twice as fast, because the loop of `rfind` is simpler.
        """
        sample = data[::_STEP].translate(_TABLE)
        left, near = _DENSE, 0
        at = sample.rfind(_FEW)
        while at >= 0:
            if at < near:
                left = _DENSE
            after = sample.find(b"\0", at + len(_FEW))
            # Text has many such streaks: after a few that are near each other, search a longer part at once.
            before = sample.rfind(b"\0", 0, at if left else max(at - _PART, 0))
            left = max(left - 1, 0)
            near = before - _NEAR
            self._runs(data[before * _STEP + 1 if before >= 0 else 0 : after * _STEP if after >= 0 else len(data)])
            at = sample.rfind(_FEW, 0, before + 1) if before >= 0 else -1

    def _runs(self, data: bytes) -> None:
        """Search every run of 32 letters or more."""
        marks = data.translate(_TABLE)
        last = marks.rfind(_RUN)
        while last >= 0:
            before = marks.rfind(b"\0", 0, last)
            for at in range(before + 1, last + 1):
                word = data[at : at + HASH_CHARS]
                if word in self._hashes:
                    self.found.add(word)
            last = marks.rfind(_RUN, 0, max(before, 0))


def rewrite(pieces: Iterable[bytes], changes: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Yield the stream with each hash in `changes` replaced. All keys and values are 32 bytes long."""
    if not changes:
        yield from pieces
        return
    pattern = re.compile(b"|".join(map(re.escape, changes)))
    held = b""
    for piece in pieces:
        data = held + piece
        parts: list[bytes] = []
        done = 0
        for match in pattern.finditer(data):
            parts += (data[done : match.start()], changes[match[0]])
            done = match.end()
        # A hash may begin at the end of this piece. Replaced bytes are not searched again.
        cut = max(len(data) - HASH_CHARS + 1, done)
        parts.append(data[done:cut])
        held = data[cut:]
        yield b"".join(parts)
    yield held


def patch(pieces: Iterable[bytes], patches: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yield the stream with the bytes at some offsets replaced."""
    todo = list(patches)
    if not todo:
        yield from pieces
        return
    position = 0
    for piece in pieces:
        end = position + len(piece)
        changed = bytearray(piece)
        for offset, new in todo:
            first, last = max(offset, position), min(offset + len(new), end)
            if first < last:
                changed[first - position : last - position] = new[first - offset : last - offset]
        yield bytes(changed)
        position = end


def search_packed(file: BinaryIO, head: bytes, finder: Finder, check: Callable[[], None]) -> None:
    """Feed the decompressed content of a gz, zip or jar file to a finder. Stop silently where the file is damaged."""
    if head.startswith(GZIP):
        _gzip(file, finder, check)
    elif head.startswith(ZIP):
        _zip(file, finder, check)


def _gzip(file: BinaryIO, finder: Finder, check: Callable[[], None]) -> None:
    finder.restart()
    done = 0
    engine = zlib.decompressobj(31)
    data = b""
    try:
        while done < MAX_UNPACKED:
            data = data or file.read(CHUNK)
            if not data:
                return
            piece = engine.decompress(data, CHUNK)
            finder.feed(piece)
            done += len(piece)
            check()
            if engine.eof:
                # Another gzip member may follow.
                data = engine.unused_data
                engine = zlib.decompressobj(31)
            else:
                data = engine.unconsumed_tail
    except zlib.error:
        return


def _zip(file: BinaryIO, finder: Finder, check: Callable[[], None]) -> None:
    from fpack.builders.streams import zip_reader

    done = 0
    try:
        with zip_reader.open_zip(file) as archive:
            for info in archive.infolist():
                finder.restart()
                finder.feed(info.filename.encode("utf-8", "surrogateescape"))
                with zip_reader.open_member(archive, info) as member:
                    while done < MAX_UNPACKED and (piece := member.read(CHUNK)):
                        finder.feed(piece)
                        done += len(piece)
                        check()
    except (*zip_reader.DAMAGED, OSError):
        # The file is encrypted, damaged, or uses an unknown compression.
        return
