"""Compile a file or directory of vulnerability data. fpack finds its kind by its content, not by its name.

The kinds are the JSON of Debian's security tracker, one OSV document, a list of documents, and a zip or a directory of
documents. Nothing is unpacked to a disk, and the names in a zip are used for messages only.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fpack.builders.streams import zip_reader
from fpack.builders.streams.stream import ArchiveError
from fpack.store.errors import malformation
from fpack.store.files.regular_file import read_bytes

from .compiled import CompiledData, DataError
from .debian_tracker import KIND as TRACKER
from .debian_tracker import TrackerData, compile_tracker
from .json_stream import JsonStream
from .osv import MAX_DOCUMENT, OsvData, compile_osv

MAX_FILE = 4 << 30  # bytes
MAX_UNPACKED = 4 << 30  # bytes of all documents of a zip
MAX_DOCUMENTS = 2_000_000  # of a directory
MAX_DEPTH = 8  # of directories
SUFFIX = ".json"
_ZIP = b"PK"


def open_compiled(data: bytes | memoryview) -> TrackerData | OsvData:
    """Open compiled data. Raise ValueError if it is of another format."""
    opened = CompiledData(data)
    return TrackerData(opened) if opened.header.kind == TRACKER else OsvData(opened)


def compile_file(file: BinaryIO, where: str) -> bytes:
    """Compile a file. Raise DataError if it is of no known kind."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > MAX_FILE:
        raise DataError("The vulnerability data is too large", where=where, why=f"the limit is {MAX_FILE} bytes")
    if not size:
        raise DataError("The vulnerability data is empty", where=where, why="the file has no content")
    is_zip = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    if is_zip:
        return compile_osv(_zipped(file, where), where)
    stream = JsonStream(file.read, where)
    if stream.first == "[":
        return compile_osv(_listed(stream.members()), where)
    if size <= MAX_DOCUMENT:
        file.seek(0)
        value = _whole(file.read(), where)
        if isinstance(value.get("vulns"), list):
            return compile_osv(_listed(("", item) for item in value["vulns"]), where)
        if isinstance(value.get("id"), str):
            return compile_osv([(os.path.basename(where), value)], where)
        file.seek(0)
        stream = JsonStream(file.read, where)
    return compile_tracker(stream, where)


def _whole(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        why = malformation(error)[:200]
        raise DataError("The vulnerability data is not valid JSON", where=where, why=why) from None
    if not isinstance(value, dict):
        raise DataError("The vulnerability data is of no known kind", where=where, why="it is not a JSON object")
    return value


def _listed(members: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, object]]:
    for number, (_, value) in enumerate(members, 1):
        yield f"document {number}", value


def _zipped(file: BinaryIO, where: str) -> Iterator[tuple[str, object]]:
    """Yield the documents of a zip. One that cannot be read is an error of its own."""
    try:
        archive = zip_reader.open_zip(file)
    except ArchiveError as error:
        raise DataError("The vulnerability data is too large", where=where, why=error.why) from None
    except (*zip_reader.DAMAGED, OSError) as error:
        raise DataError("The vulnerability data is not a zip that can be read", where=where, why=str(error)) from None
    with archive:
        members = (member for member in archive.infolist() if member.filename.endswith(SUFFIX))
        left = MAX_UNPACKED
        for member in members:
            try:
                data = _member(archive, member)
            except DataError as error:
                yield member.filename, error
                continue
            left -= len(data)
            if left < 0:
                why = f"the limit is {MAX_UNPACKED} bytes of unpacked documents"
                raise DataError("The vulnerability data is too large", where=where, why=why)
            yield member.filename, data


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member, whatever size it claims to have. Raise DataError if it cannot be read."""
    try:
        with zip_reader.open_member(archive, member) as file:
            data = file.read(MAX_DOCUMENT + 1)
    except ArchiveError as error:
        raise DataError("", why=error.what) from None
    except (*zip_reader.DAMAGED, OSError) as error:
        raise DataError("", why=f"it is damaged: {error}"[:200]) from None
    if len(data) > MAX_DOCUMENT:
        raise DataError("", why=f"it has more than {MAX_DOCUMENT} bytes")
    return data


def listing(directory: Path) -> list[tuple[str, os.stat_result]]:
    """Return the paths of the documents below a directory with their status, sorted. Symlinks are not followed.

    A link to a document or a directory is a document that cannot be read. Raise DataError for directories deeper than
    MAX_DEPTH.
    """
    found: list[tuple[str, os.stat_result]] = []
    todo = [("", 0)]
    while todo:
        below, depth = todo.pop()
        with os.scandir(directory / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if depth + 1 >= MAX_DEPTH:
                        why = f"{path} is more than {MAX_DEPTH} directories deep"
                        raise DataError("The vulnerability data cannot be read", where=str(directory), why=why)
                    todo.append((path, depth + 1))
                elif entry.name.endswith(SUFFIX) or entry.is_dir():
                    found.append((path, entry.stat(follow_symlinks=False)))
        if len(found) > MAX_DOCUMENTS:
            why = f"the limit is {MAX_DOCUMENTS} files"
            raise DataError("The vulnerability data is too large", where=str(directory), why=why)
    return sorted(found, key=lambda item: os.fsencode(item[0]))


def compile_directory(directory: Path, paths: list[str]) -> bytes:
    """Compile the documents of a directory. paths: those of `listing`."""
    return compile_osv(_read(directory, paths), str(directory))


def _read(directory: Path, paths: list[str]) -> Iterator[tuple[str, object]]:
    for path in paths:
        try:
            if not stat.S_ISREG(os.lstat(directory / path).st_mode):
                yield path, DataError("", why="it is a link, or no regular file")
                continue
            data = read_bytes(directory / path, MAX_DOCUMENT + 1)
        except OSError as error:
            yield path, DataError("", why=error.strerror or str(error))
            continue
        too_large = DataError("", why=f"it has more than {MAX_DOCUMENT} bytes")
        yield path, too_large if len(data) > MAX_DOCUMENT else data
