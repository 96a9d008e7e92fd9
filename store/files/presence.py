"""Test whether a path exists. An error of the disk is raised: it does not mean that the path is missing."""

from __future__ import annotations

import errno
import os

# The errors of a path that does not exist. EINVAL: it is not a symlink. ELOOP: symlinks above it lead in a circle.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENAMETOOLONG)


def is_present(path: str | os.PathLike[str]) -> bool:
    """Return whether a file, directory or symlink has this path. Raise OSError if that cannot be known.

    os.path.lexists returns False after any error, so an error of the disk would look like a deleted file.
    """
    try:
        os.lstat(path)
    except ValueError:  # it has a NUL byte
        return False
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return False
    return True


def link_target(path: str | os.PathLike[str]) -> str | None:
    """Return the target of a symlink, or None if no symlink has this path. Raise OSError if that cannot be known."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None
