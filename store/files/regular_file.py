"""Open files of a store tree, which may hold anything, without following a link."""

from __future__ import annotations

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
