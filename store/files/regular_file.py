"""Read files that a stranger made, in a store tree or a project: regular files only, whatever lies at their path."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from fpack.store.errors import StoreError


def open_regular(place: Path) -> BinaryIO:
    """The regular file at `place`, to read; StoreError if there is something else, also a symlink to a file."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError("A file in the store cannot be read", where=str(place), why=error.strerror or "") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StoreError("A file in the store is no file", where=str(place))
    return os.fdopen(fd, "rb", buffering=0)


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Read up to `most` bytes of a regular file. Raise OSError for anything else: a pipe may never have an end."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(most)
