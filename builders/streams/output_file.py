"""Where an export goes: a file that is whole or not there, or a pipe that is written to.

Nothing is left of an export that fails, and a file that was there before stays until the new one is whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fpack.store.errors import FpackError
from fpack.store.files import replace
from fpack.store.files.regular_file import open_regular
from fpack.store.files.writeback import STEP, Writeback

CHUNK = 1 << 20


class ExportError(FpackError):
    """An image that cannot be written where it was to go."""


@contextlib.contextmanager
def errors(out: Path) -> Iterator[None]:
    """Turn the system's errors about `out` into ExportError."""
    try:
        yield
    except OSError as error:
        hint = "free some room, or name another disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        where = os.fspath(out)
        raise ExportError(
            f"{where} cannot be written", why=error.strerror or str(error), where=where, hint=hint
        ) from None


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[int]:
    """A descriptor of a new file beside `out`, which takes its place at the end, or is deleted on an error.

    A link at `out` is followed within its directory. Where else it leads may not be what the user means: what is
    unpacked or cloned can hold one to any file of theirs, under a name that an image has.
    """
    if out.is_dir():
        raise ExportError(f"{out} is a directory", hint="name the file to write")
    if out.absolute().parts[1:2] in (("dev",), ("proc",)):
        # The name of a stream: what it leads to is what the caller opened.
        if out.exists() and not out.is_file():
            with _opened(os.open(out, os.O_WRONLY | os.O_CLOEXEC)) as fd:
                yield fd
            return
        out = Path(os.path.realpath(out))
    try:
        with replace.target(out) as (folder, name):
            if _is_special(folder, name):
                with _opened(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)) as fd:
                    yield fd
            else:
                with replace.replacing_at(folder, name) as fd:
                    yield fd
    except replace.OutsideError as error:
        raise ExportError(error.what, why=error.why, hint="name the file, or delete the link") from None


@contextlib.contextmanager
def _opened(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _is_special(folder: int, name: str) -> bool:
    """Whether there is something that is written to, and not replaced: a pipe or a device."""
    try:
        return not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def room(out: Path) -> Path:
    """A directory for what is needed while `out` is written: where there must be room for `out` too."""
    import tempfile

    folder = Path(os.path.realpath(out)).parent
    is_file = not out.exists() or stat.S_ISREG(out.stat().st_mode)
    return folder if is_file else Path(tempfile.gettempdir())


def seekable(fd: int, out: Path, what: str) -> None:
    """ExportError if `fd` is no file in which one can go back. what: a format, with its article."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ExportError(
            f"{what} cannot be written to {out}",
            why="its beginning is written last, and a pipe or device cannot go back",
            hint="name a file with -o",
        )


def write(fd: int, data: bytes | bytearray) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def copy(source: Path, fd: int, size: int) -> None:
    """Append a file of the store, which has `size` bytes, in the kernel where that can be done."""
    with open_regular(source) as file:
        have = os.fstat(file.fileno()).st_size
        if have != size:
            raise ExportError(
                "A layer in the store is damaged", where=os.fspath(source), why=f"{have} bytes, not {size}"
            )
        left = size
        start = os.lseek(fd, 0, os.SEEK_CUR) if size >= STEP and stat.S_ISREG(os.fstat(fd).st_mode) else None
        writeback = None if start is None else Writeback(fd, start)
        for move in (_copy_range, _send):
            while left:
                try:
                    moved = move(file.fileno(), fd, min(left, STEP))
                except OSError as error:
                    if error.errno in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF):
                        break
                    raise
                if not moved:
                    break
                left -= moved
                if writeback is not None and start is not None:
                    writeback.reached(start + size - left)
        while left and (chunk := file.read(min(left, CHUNK))):
            write(fd, chunk)
            left -= len(chunk)
        if left:
            raise ExportError("A layer in the store became shorter", where=os.fspath(source))


def _copy_range(source: int, target: int, size: int) -> int:
    return os.copy_file_range(source, target, size)


def _send(source: int, target: int, size: int) -> int:
    return os.sendfile(target, source, None, size)
