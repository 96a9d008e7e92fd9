"""Read the files of a package's archive: zip, tar with gzip, or a gem. It is foreign: sizes and numbers have limits."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from fpack.builders.streams import zip_reader
from fpack.builders.streams.stream import PieceReader, Section, Stream, blocks
from fpack.builders.streams.tar_reader import FILE, TarReader

from .survey import MAX_READ

MAX_FILES = 200_000
MAX_UNPACKED = 4 << 30  # bytes of all files

Member = tuple[str, bytes]  # a name, and the first MAX_READ + 1 bytes of the content
ERRORS = zip_reader.DAMAGED


def members(path: Path, check: Callable[[], None]) -> Iterator[Member]:
    """Yield the regular files of an archive. Raise one of ERRORS if it cannot be read."""
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(0)
        size = path.stat().st_size
        if begin.startswith(b"PK"):
            yield from _zip(file, check)
        elif begin.startswith(b"\x1f\x8b"):
            yield from _tar(blocks(Section(file, size), "gz"), check)
        else:
            yield from _tar(blocks(Section(file, size), ""), check, is_gem=True)


def _zip(file: BinaryIO, check: Callable[[], None]) -> Iterator[Member]:
    left = MAX_UNPACKED
    with zip_reader.open_zip(file) as archive:
        rows = archive.infolist()
        if len(rows) > MAX_FILES:
            raise ValueError(f"it has more than {MAX_FILES} files")
        for row in rows:
            check()
            if not row.is_dir():
                with zip_reader.open_member(archive, row) as content:
                    data = content.read(MAX_READ + 1)
                left -= len(data)  # members may overlap
                if left < 0:
                    raise ValueError(f"its files have more than {MAX_UNPACKED >> 30} GB")
                yield row.filename, data


def _tar(pieces: Iterator[bytes], check: Callable[[], None], is_gem: bool = False) -> Iterator[Member]:
    reader = TarReader(Stream(pieces, MAX_UNPACKED))
    for number, member in enumerate(reader):
        check()
        if number > MAX_FILES:
            raise ValueError(f"it has more than {MAX_FILES} files")
        if member.kind != FILE:
            continue
        name = member.name.decode("utf-8", "replace").removeprefix("./")
        if name == "data.tar.gz" and is_gem:
            is_gem = False  # there is one, and it is no gem: archives in archives unpack to any size
            packed = Section(PieceReader(reader.content()), member.size)
            yield from _tar(blocks(packed, "gz"), check)
        else:
            yield name, _begin(reader.content())


def unpacked(data: bytes) -> bytes:
    """Return the beginning of what gzip packed. Raise one of ERRORS if it is damaged."""
    return zlib.decompressobj(31).decompress(data, MAX_READ)


def _begin(pieces: Iterator[bytes]) -> bytes:
    data = b""
    for piece in pieces:
        if len(data) <= MAX_READ:
            data += piece
    return data[: MAX_READ + 1]
