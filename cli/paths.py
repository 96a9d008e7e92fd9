"""The names of a project's file and of fpack's own directories for a user, and how the latter are made safely.

What lies in them is executed, sourced or connected to later. So each is the user's alone, and in a place where nobody
else can put another.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError
from fpack.store.files.owners import danger, make_directories

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILE = "fpack.fp"


def cache_home() -> str:
    """Return the directory of things that can be made again: parsed indexes, compiled modules, prepared shells."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{home}/fpack"


def cache_directory() -> Path:
    """Return the same as a path: pathlib is not imported by commands that need only the name."""
    from pathlib import Path

    return Path(cache_home())


def state_directory() -> str:
    """Return the directory of a user's files that cannot be made again."""
    # A relative one is to be ignored (XDG Base Directory Specification): it would lie in whatever project one is in.
    home = os.environ.get("XDG_STATE_HOME", "")
    return f"{home if home.startswith('/') else os.path.expanduser('~/.local/state')}/fpack"


def make_place(place: str, variable: str = "XDG_CACHE_HOME", what: str = "the shell") -> None:
    """Make a directory of the user's own, if it is not there. FpackError if it cannot be, or is not safe to use.

    variable: says where such directories are. what: is to be kept there.
    """
    try:
        try:
            why = danger(place)
        except FileNotFoundError:
            make_directories(place)
            why = danger(place)
    except OSError as error:
        raise FpackError(
            f"There is nowhere to keep {what}",
            where=place,
            why=error.strerror or str(error),
            hint=f"set {variable} to a directory that can be written",
        ) from None
    if why:
        raise FpackError(
            f"There is no safe place to keep {what}",
            where=place,
            why=f"{why}, and could so change what is run later",
            hint=f"set HOME, or {variable}, to a directory of your own, as sudo -H does",
        )
