"""Directories of fpack's own for a user: where they are, whose they must be, and how they are made whole or not at all.

What lies in them is executed, sourced or connected to later. So each is the user's alone, and in a place where nobody
else can put another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


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
