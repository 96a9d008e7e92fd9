"""Open regular files of a store tree without following symlinks."""

from __future__ import annotations

import errno
import os
import stat

from fpack.light_typing import TYPE_CHECKING, BinaryIO
from fpack.store.errors import DamagedPath, StoreError

if TYPE_CHECKING:
    from pathlib import Path

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EISDIR)


def open_regular(path: Path) -> BinaryIO:
    """Open the regular file at `path` for reading. Raise StoreError if it is anything else, such as a symlink."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError("A file in the store cannot be read", where=str(path), why=error.strerror or "") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StoreError("A path in the store is not a regular file", where=str(path))
    return os.fdopen(fd, "rb", buffering=0)


def open_stored(path: str | os.PathLike[str]) -> int:
    """Return a descriptor of a file that a table of the store lists. Raise DamagedPath if the file is missing."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        raise DamagedPath(os.fspath(path), f"it cannot be opened: {error.strerror}") from None


def read_small(path: Path, most: int = 1 << 20) -> bytes:
    """Read a file of a store tree as `open_regular` opens it. Raise StoreError if it has more than `most` bytes."""
    with open_regular(path) as file:
        content = file.read(most + 1)  # a regular file never returns less than is available
        if len(content) > most:
            raise StoreError("A file in the store is too large", where=str(path), why=f"it has more than {most} bytes")
        return content


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Read up to `most` bytes of a regular file. Raise OSError for anything else, such as an endless pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(most)
