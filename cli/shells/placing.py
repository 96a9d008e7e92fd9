"""Directories that are made once, beside their place, and are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from fpack.store.errors import FpackError
from fpack.store.owners import exposed, make_directories


def check_place(place: str) -> None:
    """FpackError if another user could put something else into a shell's directory: what is in it is run."""
    found = exposed(place)
    if found is not None:
        raise FpackError(
            "Another user can change what is kept of the shell",
            where=found.place,
            why=found.why,
            hint="set XDG_CACHE_HOME to a directory of your own",
        )


def make_place(place: str) -> None:
    """Make a shell's directory in the user's cache, if it is not there. FpackError if that cannot be."""
    try:
        make_directories(place)
    except OSError as error:
        raise FpackError(
            "There is nowhere to keep the shell",
            where=place,
            why=error.strerror or str(error),
            hint="set XDG_CACHE_HOME to a directory that can be written",
        ) from None


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
