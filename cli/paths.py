"""Name fpack's files and directories, and create its user directories safely.

The content of these directories is executed, sourced or connected to later. So each belongs to the user alone, below
directories in which nobody else can replace it.
"""

from __future__ import annotations

from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError
from fpack.store.files.owners import danger, make_directories
from fpack.xdg import base_directory

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILE = "fpack.fp"


def cache_home() -> str:
    """Return the directory of data that can be recreated: parsed indexes, compiled modules, prepared shells."""
    return f"{base_directory('CACHE')}/fpack"


def cache_directory() -> Path:
    """Return `cache_home()` as a Path. Commands that need only the name do not import pathlib."""
    from pathlib import Path

    return Path(cache_home())


def uploads_directory() -> Path:
    """Return the directory of the records of uploads under way."""
    return cache_directory() / "uploads"


def state_directory() -> str:
    """Return the directory of a user's data that cannot be recreated."""
    return f"{base_directory('STATE')}/fpack"


def make_private_directory(path: str, variable: str = "XDG_CACHE_HOME", what: str = "the shell") -> None:
    """Make a directory for this user alone, unless it exists. Raise FpackError if it fails or is not safe.

    variable: the variable that sets the parent directory. what: the data that the directory will hold.
    """
    try:
        try:
            why = danger(path)
        except FileNotFoundError:
            make_directories(path)
            why = danger(path)
    except OSError as error:
        raise FpackError(
            f"The directory for {what} cannot be created",
            where=path,
            why=error.strerror or str(error),
            hint=f"set {variable} to a writable directory",
        ) from None
    if why:
        raise FpackError(
            f"The directory for {what} is not safe",
            where=path,
            why=f"{why}, and could change what fpack runs later",
            hint=f"set HOME, or {variable}, to a directory of your own, as sudo -H does",
        )
