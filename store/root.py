"""Find the store's directory, and tell why a store cannot be there.

This does not import the store, because a warm start needs only the name.
"""

from __future__ import annotations

import os

from fpack.light_typing import TYPE_CHECKING
from fpack.xdg import base_directory

if TYPE_CHECKING:
    from pathlib import Path

    from .errors import StoreError

SHARED = "/fpack"
_OF_A_STORE = {"store", "db", "files", "locks"}
_OF_A_DISK = {"lost+found"}  # in the top directory of an empty file system
_HINT = "set FPACK_ROOT to a directory of your own, or to a path that does not exist yet"


def default_directory() -> str:
    """Return `$FPACK_ROOT`, or `/fpack` if it is writable, or `$XDG_DATA_HOME/fpack`."""
    if named := os.environ.get("FPACK_ROOT"):
        return os.path.abspath(named)
    if os.access(SHARED, os.W_OK):
        return SHARED
    return f"{os.path.abspath(base_directory('DATA'))}/fpack"


def default_root() -> Path:
    """Return `default_directory()` as a Path. Commands that need only the name do not import pathlib."""
    from pathlib import Path

    return Path(default_directory())


def obstacle(root: str) -> StoreError | None:
    """Return why there is no store at `root` and none can be created, or None."""
    from .errors import StoreError

    at = root
    while not os.path.isdir(at):
        if os.path.islink(at) or os.path.isfile(at):
            why = f"{at} is a link to {os.readlink(at)}, which is not a directory" if os.path.islink(at) else ""
            what = "The store is not a directory" if at == root else "The store cannot be created"
            return StoreError(what, where=root, why=why or f"{at} is not a directory", hint=_HINT)
        if at == os.path.dirname(at):
            break
        at = os.path.dirname(at)
    try:
        names = set(os.listdir(root)) - _OF_A_DISK if at == root else set()
    except OSError as error:
        return StoreError("The store cannot be read", where=root, why=error.strerror or "", hint=_HINT)
    if names and not names & _OF_A_STORE:
        why = f"the directory has other files, such as {min(names)}"
        return StoreError("The directory is not a store", where=root, why=why, hint=_HINT)
    return None
