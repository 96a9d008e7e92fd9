"""Write a mirror to one file, and read such a file as a mirror: a tar archive of an OCI layout.

A bundle is not trusted. It holds regular files of an OCI layout and nothing else: an entry with another name, a link, a
device, an extended header or a size that the file does not have is refused before anything is read. Its content is
not compressed, so it cannot grow.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from fpack.builders.distribution.layout_index import (
    MAX_INDEX,
    MAX_MANIFEST,
    RefIndex,
    checked_manifest,
    describe,
    fallback_tag,
    filtered,
    stored_pieces,
)
from fpack.builders.distribution.names import is_digest
from fpack.builders.distribution.protocol import (
    BlobEntry,
    BlobSource,
    Corrupt,
    Denied,
    ManifestDocument,
    RepositoryError,
    Unavailable,
    no_blob,
    wrong_size,
)
from fpack.store.errors import FpackError
from fpack.store.files.scratch import scratch_directory
from fpack.store.files.sync import FileSystemSync, sync_directory

MAX_MEMBERS = 200_000
BLOCK = 512
_CHUNK = 1 << 20  # bytes
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})\Z")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_DIRECTORIES = ("blobs", "blobs/sha256")
_OCTAL = re.compile(rb"[0-7]{1,12}[ \0]*\Z")


class BadBundle(FpackError):
    """A file that is not a bundle."""

    exit_code = 4


class BundleMember(NamedTuple):
    """A file in a bundle. offset: of its content."""

    offset: int
    size: int


def read_members(file: IO[bytes], where: str) -> dict[str, BundleMember]:
    """Return the files of a bundle by name. Raise BadBundle if anything else is in it."""
    length = os.fstat(file.fileno()).st_size
    found: dict[str, BundleMember] = {}
    at = 0
    while True:
        header = os.pread(file.fileno(), BLOCK, at)
        if len(header) < BLOCK:
            raise _bad(where, "it ends early")
        if not header.strip(b"\0"):
            break
        name, size = _header(header, where)
        at += BLOCK
        if at + size > length:
            raise _bad(where, f"{name} is larger than the file")
        if name in found or len(found) >= MAX_MEMBERS:
            raise _bad(where, f"{name} is there twice" if name in found else "it has too many files")
        if name not in _DIRECTORIES:
            found[name] = BundleMember(at, size)
        at += -(-size // BLOCK) * BLOCK
    if "index.json" not in found or "oci-layout" not in found:
        raise _bad(where, "it is no OCI layout")
    if found["index.json"].size > MAX_INDEX:
        raise _bad(where, f"its index.json has more than {MAX_INDEX} bytes")
    return found


def _header(header: bytes, where: str) -> tuple[str, int]:
    """Return name and size of an entry. Only plain files and the directories of a layout are accepted."""
    if header[257:262] != b"ustar":
        raise _bad(where, "it is no tar archive")
    name = header[:100].partition(b"\0")[0].decode("latin-1")
    kind = header[156:157]
    shown = repr(name[:120])
    try:
        given = int(header[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        given = -1
    if given != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise _bad(where, f"the header of {shown} is damaged")
    if header[345:500].strip(b"\0") or header[157:257].strip(b"\0"):
        raise _bad(where, f"{shown} is a link, or has a long name")
    if kind == b"5" and name.rstrip("/") in _DIRECTORIES:
        return name.rstrip("/"), 0
    if kind not in (b"0", b"\0"):
        raise _bad(where, f"{shown} is not a regular file")
    if _BLOB.match(name) is None and name not in ("index.json", "oci-layout"):
        raise _bad(where, f"{shown} is not a file of a bundle")
    digits = header[124:136]
    # GNU's base-256 form is for sizes from 8 GiB on.
    if digits[:1] == b"\x80":
        return name, int.from_bytes(digits[4:], "big")
    if _OCTAL.match(digits) is None:
        raise _bad(where, f"the size of {shown} is not valid")
    return name, int(digits.strip(b" \0"), 8)


def _bad(where: str, why: str) -> BadBundle:
    return BadBundle("The file is not a bundle", where=where, why=why, hint="fpack bundle FILE writes one")


class BundleRepository:
    """The repository in a bundle. It cannot be written."""

    def __init__(self, path: Path) -> None:
        self.name = path.absolute().as_uri()
        self._path = path
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._members: dict[str, BundleMember] = {}
        self._refs = RefIndex(b'{"manifests":[]}', self.name)

    def _open(self) -> IO[bytes]:
        with self._lock:
            if self._file is None:
                try:
                    file = os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
                except OSError as error:
                    raise Unavailable("The bundle cannot be read", where=self.name, why=error.strerror or "") from None
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    file.close()
                    raise Unavailable("The bundle is not a regular file", where=self.name)
                self._members = read_members(file, self.name)
                self._file = file
                self._refs = RefIndex(self._bytes("index.json", MAX_INDEX), self.name)
        return self._file

    def _bytes(self, name: str, limit: int) -> bytes:
        member = self._members[name]
        if member.size > limit:
            raise Corrupt("A document is too large", where=self.name, why=f"the limit is {limit} bytes")
        assert self._file is not None
        return os.pread(self._file.fileno(), member.size, member.offset)

    def _member(self, digest: str) -> BundleMember | None:
        self._open()
        return self._members.get(f"blobs/sha256/{digest.removeprefix('sha256:')}") if is_digest(digest) else None

    def resolve(self, tag: str) -> BlobEntry | None:
        """Return the descriptor of a tag's or a digest's manifest, or None."""
        found = self.manifest(tag)
        return describe(found.data, found.media_type) if found is not None else None

    def manifest(self, reference: str) -> ManifestDocument | None:
        """Return the manifest or index of a tag or a digest, compared with the digest, or None."""
        self._open()
        entry = None if is_digest(reference) else self._refs.tag(reference)
        digest = entry.digest if entry is not None else reference
        if self._member(digest) is None:
            return None
        data = self._bytes(f"blobs/sha256/{digest.removeprefix('sha256:')}", MAX_MANIFEST)
        return checked_manifest(data, digest, entry, self.name)

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob exists."""
        return self._member(digest) is not None

    def read_blob(self, entry: BlobEntry, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield a part of a blob. A whole blob is compared with its digest and size. Raise NotThere."""
        member = self._member(entry.digest)
        if member is None:
            raise no_blob(entry.digest, self.name, "the bundle has no file of this digest")
        if member.size != entry.size:
            raise wrong_size(entry.digest, member.size, entry.size, self.name)
        yield from stored_pieces(self._open().fileno(), member.offset, entry, offset, length, self.name)

    def referrers(self, digest: str, artifact_type: str = "") -> list[BlobEntry]:
        """Return the descriptors of manifests whose subject is a digest."""
        found = self.manifest(fallback_tag(digest))
        return filtered(found.data, artifact_type) if found is not None else []

    def tags(self, prefix: str = "") -> list[str]:
        """Return all tags that begin with a prefix, sorted."""
        self._open()
        return self._refs.tags(prefix)

    def write_blob(self, source: BlobSource) -> bool:
        """Refuse to write."""
        raise self._read_only()

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        """Refuse to write."""
        raise self._read_only()

    def delete(self, reference: str) -> bool:
        """Refuse to delete."""
        raise self._read_only()

    def _read_only(self) -> RepositoryError:
        return Denied("A bundle cannot be changed", where=self.name, hint="unpack it with fpack bundle --unpack")


def write_bundle(directory: Path, file: IO[bytes]) -> int:
    """Write the layout of a directory as a bundle. Return its size. Equal layouts give equal bytes."""
    names = [f"blobs/sha256/{name}" for name in sorted(os.listdir(directory / "blobs" / "sha256"))]
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("oci-layout", "index.json", *names):
            path = directory / name
            if name.startswith("blobs/") and _BLOB.match(name) is None:
                continue
            with open(path, "rb") as content:
                info = tarfile.TarInfo(name)
                info.size = os.fstat(content.fileno()).st_size
                info.mode = 0o644
                tar.addfile(info, content)
    return file.tell()


def unpack_bundle(path: Path, directory: Path, more: Callable[[Path], list[str]] = lambda new: []) -> list[str]:
    """Unpack a bundle to a directory that does not exist. Each blob is compared with its digest.

    more: adds files to the new directory. Return its result. Raise BadBundle if the bundle is not valid. The directory
    has its name only when all of it is on the disk, so that an interruption leaves none.
    """
    with open(path, "rb") as file:
        members = read_members(file, str(path))
        with scratch_directory(directory) as scratch:
            new = scratch / directory.name
            new.mkdir()
            _unpack(file, members, new, str(path))
            added = more(new)
            file_system = FileSystemSync(new)
            try:
                file_system.sync()
            finally:
                file_system.close()
            os.rename(new, directory)
            try:
                sync_directory(directory.absolute().parent)
            except BaseException:
                os.rename(directory, new)
                raise
    return added


def _unpack(file: IO[bytes], members: dict[str, BundleMember], directory: Path, where: str) -> None:
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for name, member in members.items():
        match = _BLOB.match(name)
        hasher = hashlib.sha256()
        with open(blobs / match[1] if match else directory / name, "xb") as target:
            at, end = member.offset, member.offset + member.size
            while at < end:
                piece = os.pread(file.fileno(), min(_CHUNK, end - at), at)
                if not piece:
                    raise _bad(where, "it ends early")
                at += len(piece)
                hasher.update(piece)
                target.write(piece)
        if match and hasher.hexdigest() != match[1]:
            raise _bad(where, f"the content of {name} is damaged")
    RefIndex((directory / "index.json").read_bytes(), where)
    # The file names the format alone, so its content is not taken over.
    (directory / "oci-layout").write_bytes(_LAYOUT)
