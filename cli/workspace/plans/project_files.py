"""Read files of a project that its other files name: they must lie in it, and their size is bounded."""

from __future__ import annotations

import os

from fpack.store.errors import FpackError
from fpack.store.files.regular_file import read_bytes

MAX_FILE = 64 << 20  # bytes


class NoSuchFile(FpackError):
    """A file that a project names and does not have."""

    exit_code = 4


def file_text(path: str, root: str) -> str:
    """Return the text of a file below `root`; raise NoSuchFile for one that is outside or cannot be read."""
    real, name = os.path.realpath(path), os.path.basename(path)
    if root and not real.startswith(os.path.realpath(root) + "/"):
        raise NoSuchFile(f"{name} is outside of the project", where=path, hint="copy it into the project")
    try:
        data = read_bytes(real, MAX_FILE + 1)
    except OSError as error:
        raise NoSuchFile(f"{name} cannot be read", where=path, why=error.strerror or "") from None
    if len(data) > MAX_FILE:
        raise NoSuchFile(f"{name} is too large", where=path, why=f"the limit is {MAX_FILE >> 20} MB")
    return data.decode("utf-8", "replace")


def relative(path: str, root: str) -> str:
    """Return a path relative to the project, for messages."""
    return os.path.relpath(path, root) if root and path else path
