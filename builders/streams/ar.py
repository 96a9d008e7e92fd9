"""Read ar archives as used by .deb files (deb(5)): a magic line, then members, each with a 60-byte header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from .stream import ArchiveError, PieceReader, Section

MAGIC = b"!<arch>\n"
_HEADER = 60  # bytes of a member's header
_END = b"`\n"


def members(file: BinaryIO | PieceReader) -> Iterator[tuple[str, Section]]:
    """Yield each member's name and content, in order. Content that the caller does not read is skipped."""
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise ArchiveError("The file is not an ar archive", why=f"it begins with {ascii(magic.decode('latin-1'))}")
    while header := file.read(_HEADER):
        if len(header) < _HEADER:
            raise ArchiveError("The ar archive is truncated", why="it ends in a member's header")
        name = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", "backslashreplace")
        digits = header[48:58].rstrip(b" ")
        if header[58:] != _END or not digits.isdigit():
            raise ArchiveError("The ar archive is damaged", where=name, why="a member's header is invalid")
        size = int(digits)
        section = Section(file, size, f"The ar member {name}")
        yield name, section
        section.skip()
        if size % 2:
            file.read(1)
