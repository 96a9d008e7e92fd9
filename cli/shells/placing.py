"""Directories of fpack's own for a user: where they are, whose they must be, and how they are made whole or not at all.

What lies in them is executed, sourced or connected to later. So each is the user's alone, and in a place where nobody
else can put another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from fpack.store.errors import FpackError
from fpack.store.owners import danger, make_directories


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


@contextlib.contextmanager
def beside(place: str) -> Iterator[str]:
    """An empty directory that becomes `place` at the end; where another process was first, its own stays."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix=".made-", dir=os.path.dirname(place))
    try:
        yield folder
        os.chmod(folder, 0o755)
        os.rename(folder, place)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError) or not os.path.isdir(place):
            raise
