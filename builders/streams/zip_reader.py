"""Open zip archives of others, so that reading takes memory and time in proportion to what is read.

`zipfile` makes an object for each entry of the directory before any can be counted, and unpacks bzip2 and LZMA, and all
of a member that is read without a size, without a limit. Go modules, wheels and jars have deflated members.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import IO, BinaryIO

from .stream import ArchiveError

MAX_DIRECTORY = 48 << 20  # bytes of a zip's directory: a million members, or so
MAX_ENDING = (1 << 16) + 100  # bytes at the end of a zip, with a comment
# The exceptions for a zip that is damaged.
DAMAGED = (ArchiveError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_ZIP64 = 76  # bytes of both records
_SEE_ZIP64 = 0xFFFFFFFF
_CODECS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip. Raise one of DAMAGED if it cannot be read, or has too large a directory."""
    if (size := directory_size(file)) > MAX_DIRECTORY:
        raise ArchiveError("The zip has too many members", why=f"its directory has {size} bytes")
    return zipfile.ZipFile(file)


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member, whose `read` must be given a size. Raise one of DAMAGED if it cannot be read."""
    if member.flag_bits & 1 or member.compress_type not in _CODECS:
        shown = member.filename[:200]
        raise ArchiveError("A member of the zip is encrypted, or packed in an unknown way", where=shown)
    return archive.open(member)


def directory_size(file: BinaryIO) -> int:
    """Return the size of a zip's directory, which is read into memory before anything can be counted."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - MAX_ENDING))
    ending = file.read(MAX_ENDING)
    at = ending.rfind(b"PK\x05\x06")
    size = int.from_bytes(ending[at + 12 : at + 16], "little") if at >= 0 else 0
    larger = at - _ZIP64  # the record of a zip with more than 65,535 members, and what points to it
    if larger >= 0 and ending.startswith(b"PK\x06\x06", larger):
        wide = int.from_bytes(ending[larger + 40 : larger + 48], "little")
        return wide if size == _SEE_ZIP64 else max(size, wide)
    return size
