"""Read an OCI layout as names and bytes: from a tar or a directory, without following links in it, or a repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fpack.builders.manifest.format import DIRECTORY, FILE
from fpack.light_typing import BinaryIO, Protocol

from .findings import ARCHIVE, Report, VerifyError
from .strict_tar import StrictTar

CHUNK = 1 << 18  # bytes
MAX_MEMBERS = 20_000
_DIRECTORIES = {"blobs", "blobs/sha256"}
_PACKED = {b"\x1f\x8b": "gzip -d", b"\x28\xb5\x2f\xfd": "zstd -d", b"\xfd7zXZ": "xz -d", b"BZh": "bzip2 -d"}


class ImageArchive(Protocol):
    """The files of an OCI layout. sizes: the size of each file, by its path relative to the layout."""

    sizes: dict[str, int]

    def open(self, name: str) -> BinaryIO:
        """Open a file at its start. The file object may have more bytes than `sizes` says."""

    def close(self) -> None:
        """Close all files."""


class ImageReference(Protocol):
    """An image in a registry. `str` of it is the reference. name: for the names of files about the image."""

    @property
    def name(self) -> str: ...

    def archive(self) -> ImageArchive:
        """Return the files of the image, as those of a layout. Raise an FpackError if there is no such image."""


ImageLocation = Path | ImageReference  # where an image is


def open_archive(path: ImageLocation, report: Report) -> ImageArchive:
    """Open the image at `path`. Report unusual properties of the archive itself."""
    if not isinstance(path, Path):
        return path.archive()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return LayoutArchive(path, report)
        if not stat.S_ISREG(mode):
            raise VerifyError("An image must be a tar file or an OCI layout directory", where=str(path))
        return TarArchive(path, report)
    except FileNotFoundError:
        raise VerifyError(
            f"There is no image {path}", hint="name the file or directory that fpack pack wrote"
        ) from None
    except OSError as error:
        raise VerifyError("The image cannot be read", where=str(path), why=error.strerror or "") from None


def pieces(archive: ImageArchive, name: str) -> Iterator[bytes]:
    """Yield the content of a file of an archive: at most as many bytes as its `sizes` say."""
    left = archive.sizes[name]
    with archive.open(name) as file:
        while left and (piece := file.read(min(left, CHUNK))):
            left -= len(piece)
            yield piece


class LayoutArchive:
    """A layout in a directory. Symlinks in it are not followed, so all blobs must lie in it."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self.sizes: dict[str, int] = {}
        if not (path / "oci-layout").is_file():
            raise VerifyError("The directory is not an OCI layout", where=str(path), why="it has no file oci-layout")
        self._scan("", report)

    def _scan(self, directory: str, report: Report) -> None:
        with os.scandir(self._path / directory) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                name = f"{directory}/{entry.name}" if directory else entry.name
                if len(self.sizes) > MAX_MEMBERS:
                    raise VerifyError("The directory has too many files", why=f"the limit is {MAX_MEMBERS}")
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    self.sizes[name] = status.st_size
                elif stat.S_ISDIR(status.st_mode) and name in _DIRECTORIES:
                    self._scan(name, report)
                else:
                    noun = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
                    report.add(ARCHIVE, name, f"it is {noun}, and does not belong to an image")

    def open(self, name: str) -> BinaryIO:
        """Open a file of the layout."""
        fd = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise VerifyError("A file of the image changed while it was read", where=name)
        return os.fdopen(fd, "rb", buffering=0)

    def position(self, name: str) -> tuple[Path, int]:
        return self._path / name, 0

    def close(self) -> None:
        """Do nothing."""


class TarArchive:
    """A layout in a tar. One pass reads its headers; files are read in place."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close
        self.sizes: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        try:
            self._check_magic(path)
            self._scan(path, report)
        except VerifyError as error:
            self._file.close()
            raise error.with_(where=error.where or str(path)) from None
        except BaseException:
            self._file.close()
            raise

    def _check_magic(self, path: Path) -> None:
        head = self._file.read(512)
        self._file.seek(0)
        for magic, tool in _PACKED.items():
            if head.startswith(magic):
                raise VerifyError("The image is compressed as a whole", where=str(path), hint=f"unpack it with {tool}")
        if len(head) < 512 or head[257:262] != b"ustar":
            raise VerifyError("The file is not a tar archive", where=str(path))

    def _scan(self, path: Path, report: Report) -> None:
        source = _Seekable(self._file)
        archive = StrictTar(source)
        seen: set[str] = set()
        for member in archive:
            if len(seen) > MAX_MEMBERS:
                raise VerifyError(
                    "The archive has too many members", where=str(path), why=f"the limit is {MAX_MEMBERS}"
                )
            name = member.path.decode("utf-8", "backslashreplace")
            if name in seen:
                report.add(ARCHIVE, name, "it occurs twice in the archive")
                continue
            seen.add(name)
            if member.kind == FILE:
                self.sizes[name], self._starts[name] = member.size, source.at
            elif member.kind != DIRECTORY:
                report.add(ARCHIVE, name, f"it is {_noun(member.kind)}, which an image's archive cannot have")
            elif name not in _DIRECTORIES:
                report.add(ARCHIVE, name, "the directory does not belong to an image")
            for odd in member.odd:
                if "attribute" in odd:
                    report.add(ARCHIVE, name, odd)
        for text in archive.notes:
            report.add(ARCHIVE, path.name, text)

    def open(self, name: str) -> BinaryIO:
        """Open a file of the archive. Only one file can be open at a time."""
        self._file.seek(self._starts[name])
        return _BorrowedFile(self._file)  # type: ignore[return-value]  # it needs read and close alone

    def position(self, name: str) -> tuple[Path, int]:
        """Return the path of the archive, and where a file of it begins."""
        return Path(os.path.realpath(self._path)), self._starts[name]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _BorrowedFile:
    """A file object whose `close` does nothing, since its owner closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> _BorrowedFile:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class _Seekable:
    """A seekable file as the source of a tar, so that `skip` reads nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.at = 0

    def exact(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces."""
        self._have(size)
        self._file.seek(self.at)
        while size:
            piece = self._file.read(min(size, CHUNK))
            if not piece:
                raise VerifyError("The archive is truncated")
            self.at += len(piece)
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        """Skip `size` bytes."""
        self._have(size)
        self.at += size

    def rest(self) -> Iterator[bytes]:
        """Yield the remaining bytes in pieces."""
        yield from self.chunks(self._size - self.at)

    def _have(self, size: int) -> None:
        if size > self._size - self.at:
            raise VerifyError("The archive is truncated", why=f"{size - (self._size - self.at)} bytes are missing")


def _noun(kind: str) -> str:
    return "a symlink" if kind == "l" else kind
