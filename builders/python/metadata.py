"""Read the metadata of wheels and source distributions, which are untrusted: sizes are bounded, nothing is unpacked."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fpack.builders.streams import zip_reader
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.builders.streams.tar_reader import FILE, TarReader
from fpack.builders.streams.zip_reader import open_member, open_zip

from .package_info import egg_requires, parse_info
from .project import DEFAULT_BUILD, read_python_project

MAX_METADATA = 8 << 20  # bytes
MAX_TEXTS = 64 << 20  # bytes of the files that are read of an archive
MAX_MEMBERS = 200_000
MAX_UNPACKED = 4 << 30  # bytes
_DESCRIBED = re.compile(r"[^/]+/(?:PKG-INFO|pyproject\.toml|setup\.cfg|setup\.py|[^/]*requirements[^/]*\.txt)\Z")
_EGG = re.compile(r"(?:[^/]+/){1,3}[^/]+\.egg-info/requires\.txt\Z")
_CODECS = {b"\x1f\x8b": "gz", b"BZ": "bz2", b"\xfd7": "xz", b"(\xb5": "zst"}  # by the first bytes
DAMAGED = (*zip_reader.DAMAGED, OSError)


class Metadata(NamedTuple):
    """The requirements of a file. build: requirements of its build, of a source distribution; None of a wheel."""

    requires: tuple[str, ...]
    requires_python: str = ""
    build: tuple[str, ...] | None = None


def parse_metadata(text: str) -> Metadata:
    """Return the requirements in the text of a METADATA or PKG-INFO."""
    info = parse_info(text)
    return Metadata(info.requires, info.requires_python)


def read_wheel(path: Path) -> Metadata:
    """Return the metadata of a wheel; raise one of DAMAGED if it cannot be read."""
    with path.open("rb") as opened, open_zip(opened) as archive:
        if len(archive.infolist()) > MAX_MEMBERS:
            raise ValueError("it has too many files")
        found = next((m for m in archive.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", m.filename)), None)
        if found is None:
            raise ValueError("it has no METADATA")
        with open_member(archive, found) as file:
            return parse_metadata(file.read(MAX_METADATA).decode("utf-8", "replace"))


def read_sdist(path: Path, name: str) -> Metadata:
    """Return the metadata of a source distribution, from its files; raise one of DAMAGED if it cannot be read.

    PKG-INFO is used if it says that its requirements are complete, else setuptools' requires.txt, else what can be
    read of the project's own files.
    """
    files = dict(_members(path, name))
    texts = {key.partition("/")[2]: text for key, text in files.items() if not _EGG.fullmatch(key)}
    project = read_python_project(texts.get)
    known = parse_info(texts.get("PKG-INFO", ""))
    egg = next((text for key, text in files.items() if _EGG.fullmatch(key)), None)
    if known.says:
        requires = known.requires
    elif egg is not None:
        requires = tuple(egg_requires(egg))
    else:
        requires = project.requirements
    return Metadata(requires, known.requires_python or project.requires_python, project.build or DEFAULT_BUILD)


def _members(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the files that tell something, each by its path and its text."""
    left = MAX_TEXTS
    with path.open("rb") as file:
        size = path.stat().st_size
        for member, read in _zip(file) if name.endswith(".zip") else _tar(file, size):
            if _DESCRIBED.fullmatch(member) or _EGG.fullmatch(member):
                data = read()
                left -= len(data)
                if left < 0:
                    raise ValueError(f"its metadata files have more than {MAX_TEXTS >> 20} MB")
                yield member, data.decode("utf-8", "replace")


def _zip(file: BinaryIO) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with open_zip(file) as archive:
        for item in archive.infolist()[:MAX_MEMBERS]:

            def read(item: zipfile.ZipInfo = item) -> bytes:
                with open_member(archive, item) as content:
                    return content.read(MAX_METADATA)

            yield item.filename, read


def _tar(file: BinaryIO, size: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    codec = _CODECS.get(file.read(2), "")
    file.seek(0)
    tar = TarReader(Stream(blocks(Section(file, size), codec), MAX_UNPACKED))
    for count, member in enumerate(tar):
        if count > MAX_MEMBERS:
            raise ValueError("it has too many files")
        if member.kind == FILE:
            yield member.name.decode("utf-8", "replace").removeprefix("./"), lambda: _begin(tar)


def _begin(tar: TarReader) -> bytes:
    """Return the beginning of a member's content."""
    data = b""
    for piece in tar.content():
        data += piece
        if len(data) >= MAX_METADATA:
            break
    return data[:MAX_METADATA]
