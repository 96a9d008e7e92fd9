"""Create directories atomically."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def atomic_directory(place: str) -> Iterator[str]:
    """Yield an empty directory that is renamed to `place` at the end. If another process was first, its directory
    stays.
    """
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
