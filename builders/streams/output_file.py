"""Open the output of an export: a file that is replaced atomically, or a pipe or device.

A failed export leaves no partial file, and an existing file stays in place until the new one is complete.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fpack.light_typing import NamedTuple
from fpack.store.errors import FpackError
from fpack.store.files import replace
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writeback import STEP, Writeback
from fpack.store.files.writer import write_all

CHUNK = 1 << 20  # bytes


class ExportError(FpackError):
    """An export that cannot be written to its output."""


@contextlib.contextmanager
def errors(out: Path) -> Iterator[None]:
    """Turn OSError into an ExportError about `out`."""
    try:
        yield
    except OSError as error:
        hint = "free some space, or write to another disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        where = os.fspath(out)
        raise ExportError(
            f"{where} cannot be written", why=error.strerror or str(error), where=where, hint=hint
        ) from None


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[int]:
    """Yield a descriptor of a temporary file that replaces `out` at the end, or is deleted on an error.

    The file is on the disk when this ends: the user is told of it afterwards.

    A symlink at `out` is followed only within its directory. An unpacked archive or cloned repository may contain a
    symlink from a likely output name to any file of the user.
    """
    if out.is_dir():
        raise ExportError(f"{out} is a directory", hint="name the file to write")
    if is_of_system(out):
        # A name such as /dev/stdout refers to a file that the caller opened.
        if out.exists() and not out.is_file():
            with _opened(os.open(out, os.O_WRONLY | os.O_CLOEXEC)) as fd:
                yield fd
            return
        out = Path(os.path.realpath(out))
    try:
        with replace.target(out) as (directory, name):
            if _is_special(directory, name):
                with _opened(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)) as fd:
                    yield fd
            else:
                with replace.replacing_at(directory, name, durable=True) as fd:
                    yield fd
    except replace.OutsideError as error:
        raise ExportError(error.what, why=error.why, hint="name the file, or delete the link") from None


def is_of_system(out: Path) -> bool:
    """Return whether a path lies in /dev or /proc. /dev/shm is a directory as any other."""
    parts = out.absolute().parts
    return parts[1:2] in (("dev",), ("proc",)) and parts[1:3] != ("dev", "shm")


@contextlib.contextmanager
def _opened(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _is_special(directory: int, name: str) -> bool:
    """Return whether `name` is a pipe or device, which is written to instead of replaced."""
    try:
        return not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def room(out: Path) -> Path:
    """Return a directory for temporary files: that of `out`, which needs the space anyway, if `out` is a file."""
    import tempfile

    directory = Path(os.path.realpath(out)).parent
    is_file = not out.exists() or stat.S_ISREG(out.stat().st_mode)
    return directory if is_file else Path(tempfile.gettempdir())


def seekable(fd: int, out: Path, what: str) -> None:
    """Raise ExportError if `fd` is not seekable. what: a format, with its article."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ExportError(
            f"{what} cannot be written to {out}",
            why="its header is written last, and a pipe or device is not seekable",
            hint="write to a file with -o",
        )


class StoredFile(NamedTuple):
    """A file at the top of a store path, and the size that it must have."""

    tree: CheckedTree
    name: str
    size: int


def copy(source: StoredFile, fd: int, buffer: bytearray) -> None:
    """Append a file of the store. Raise DamagedPath, after data was written, if it differs from what was registered.

    buffer: memory of CHUNK bytes, which several calls can use one after the other.
    """
    size, written = source.size, 0
    start = os.lseek(fd, 0, os.SEEK_CUR) if size >= STEP and stat.S_ISREG(os.fstat(fd).st_mode) else None
    writeback = None if start is None else Writeback(fd, start)

    def write(piece: memoryview) -> None:
        nonlocal written
        write_all(fd, piece)
        written += len(piece)
        if writeback is not None and start is not None:
            writeback.reached(start + written)

    # The kernel could copy the file, but then other bytes might be written than those that were hashed.
    source.tree.copy(source.name, buffer, write)
    if written != size:
        raise source.tree.damaged(source.name, f"it has {written} bytes instead of {size}")
