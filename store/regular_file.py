"""Read a file of a stranger's project: a regular file only, and no more of it than a limit."""

from __future__ import annotations

import errno
import os
import stat


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Read up to `most` bytes of a regular file. Raise OSError for anything else: a pipe may never have an end."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(most)
