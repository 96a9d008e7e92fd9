"""Read a .deb with the standard library, independently of the code that unpacks packages for the store."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fpack.builders.manifest.format import DIRECTORY, FILE, SCRIPTS, SYMLINK
from fpack.builders.streams.stream import Section, blocks
from fpack.builders.verify.findings import VerifyError

CHUNK = 1 << 18  # bytes
MAX_CONTROL = 1 << 20  # bytes
MAX_EXTENSION = 1 << 20  # bytes of a header that has a long name or other fields
MAX_EXTENSIONS = 8  # such headers of a member
_WANTED = {"control", *SCRIPTS}
_CODECS = {"": "", ".gz": "gz", ".xz": "xz", ".bz2": "bz2", ".zst": "zst"}


class ShippedFile(NamedTuple):
    """An entry of a package."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    sha256: bytes
    target: bytes


class DebContents(NamedTuple):
    """A package. control: the stanza. files: the entries by relative path, without `./`.

    scripts: the SHA-256 of each maintainer script, by name. postinst: the text of that script.
    """

    control: str
    files: dict[bytes, ShippedFile]
    scripts: Mapping[str, bytes] = {}
    postinst: str = ""


def digest(path: Path) -> tuple[str, int]:
    """A file's SHA-256 in hexadecimal, and its size."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def is_file(path: Path, size: object, sha256: object, sha512: object = "") -> bool:
    """Return whether a file has a size and each digest that is not "". One at least must be there."""
    digests = [text for text in (sha256, sha512) if text]
    with open(path, "rb", buffering=0) as file:
        for algorithm, wanted in (("sha256", sha256), ("sha512", sha512)):
            file.seek(0)
            if wanted and hashlib.file_digest(file, algorithm).hexdigest() != wanted:
                return False
        return bool(digests) and file.seek(0, os.SEEK_END) == size


def read(path: Path) -> DebContents:
    """Read the package in a file. Raise VerifyError if it is invalid."""
    control: dict[str, bytes] = {}
    files = None
    try:
        with open(path, "rb") as file:
            for name, section in _members(file):
                if name.startswith("control.tar"):
                    control = _control(section, name.removeprefix("control.tar"))
                elif name.startswith("data.tar"):
                    files = _files(section, name.removeprefix("data.tar"))
                    break
    except (tarfile.TarError, ValueError, EOFError, KeyError) as error:
        raise VerifyError("A package cannot be read", where=str(path), why=str(error)) from None
    stanza = control.pop("control", b"").decode("utf-8", "replace")
    if files is None or not stanza:
        raise VerifyError("A package cannot be read", where=str(path), why="it has no control stanza or no data member")
    scripts = {name: hashlib.sha256(data).digest() for name, data in control.items()}
    return DebContents(stanza, files, scripts, control.get("postinst", b"").decode("utf-8", "replace"))


def _members(file: BinaryIO) -> Iterator[tuple[str, Section]]:
    """Yield the members of an ar archive."""
    if file.read(8) != b"!<arch>\n":
        raise ValueError("it is not an ar archive")
    while header := file.read(60):
        if len(header) < 60 or header[58:] != b"`\n":
            raise ValueError("its ar archive is damaged")
        size = int(header[48:58])
        start = file.tell()
        yield header[:16].decode("ascii").rstrip().rstrip("/"), Section(file, size)
        file.seek(start + size + size % 2)


class _DebTar(tarfile.TarFile):
    """An archive. extensions: the number of further headers since the last member."""

    extensions = 0


class _Member(tarfile.TarInfo):
    """A member, whose further headers are bounded: tarfile reads them into memory, whatever size they claim.

    Their number is bounded too: tarfile reads each by a call within that for the one before.
    """

    def _proc_member(self, archive: _DebTar) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise ValueError("it has a sparse file")
        archive.extensions = archive.extensions + 1 if self.type in _EXTENSIONS else 0
        if archive.extensions > MAX_EXTENSIONS:
            raise ValueError(f"a member has more than {MAX_EXTENSIONS} further headers")
        if self.type in _EXTENSIONS and self.size > MAX_EXTENSION:
            raise ValueError(f"a header has more than {MAX_EXTENSION} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise ValueError("it has a sparse file")


_EXTENSIONS = tuple(bytes([kind]) for kind in b"xgXLK")


class _BlockReader:
    """A forward-only file object over an iterator of blocks, for tarfile."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, or fewer at the end."""
        parts, left = [], size
        while left:
            if not self._rest:
                self._rest = next(self._source, b"")
                if not self._rest:
                    break
            piece, self._rest = self._rest[:left], self._rest[left:]
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)


def _open(section: Section, ending: str) -> tarfile.TarFile:
    source: Any = _BlockReader(blocks(section, _CODECS[ending]))
    return _DebTar.open(
        fileobj=source, mode="r|", encoding="utf-8", errors="surrogateescape", bufsize=1 << 16, tarinfo=_Member
    )  # fmt: skip


def _control(section: Section, ending: str) -> dict[str, bytes]:
    """Read the stanza and the scripts of the control member, by name."""
    found: dict[str, bytes] = {}
    with _open(section, ending) as archive:
        for info in archive:
            name = info.name.removeprefix("./")
            if name in _WANTED and info.isfile() and info.size <= MAX_CONTROL:
                file = archive.extractfile(info)
                assert file is not None
                found[name] = file.read()
    return found


def _files(section: Section, ending: str) -> dict[bytes, ShippedFile]:
    found: dict[bytes, ShippedFile] = {}
    with _open(section, ending) as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else it keeps every header
            path = _path(info.name)
            if not path:
                continue
            if info.islnk():
                found[path] = found[_path(info.linkname)]
            elif info.isfile():
                file = archive.extractfile(info)
                assert file is not None
                sha256 = hashlib.sha256()
                while chunk := file.read(CHUNK):
                    sha256.update(chunk)
                found[path] = _shipped(FILE, info, size=info.size, sha256=sha256.digest())
            elif info.issym():
                found[path] = _shipped(SYMLINK, info, target=_bytes(info.linkname))
            elif info.isdir():
                found[path] = _shipped(DIRECTORY, info)
    return found


def _shipped(kind: str, info: tarfile.TarInfo, size: int = 0, sha256: bytes = b"", target: bytes = b"") -> ShippedFile:
    mode = 0o777 if kind == SYMLINK else info.mode & 0o7777
    return ShippedFile(kind, mode, info.uid, info.gid, size, sha256, target)


def _path(name: str) -> bytes:
    return b"/".join(part for part in _bytes(name).split(b"/") if part not in (b"", b"."))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read_files(path: Path, wanted: Collection[bytes], limit: int) -> dict[bytes, bytes]:
    """Return the content of those of the regular files `wanted` that a package has, up to `limit` bytes of each.

    Raise VerifyError if the package is invalid.
    """
    found: dict[bytes, bytes] = {}
    try:
        with open(path, "rb") as file:
            for name, section in _members(file):
                if name.startswith("data.tar"):
                    with _open(section, name.removeprefix("data.tar")) as archive:
                        for info in archive:
                            archive.members = []  # type: ignore[attr-defined]  # else it keeps every header
                            if info.isfile() and _path(info.name) in wanted:
                                content = archive.extractfile(info)
                                assert content is not None
                                found[_path(info.name)] = content.read(limit)
                                if len(found) == len(wanted):
                                    break
                    break
    except (tarfile.TarError, ValueError, EOFError, KeyError) as error:
        raise VerifyError("A package cannot be read", where=str(path), why=str(error)) from None
    return found
