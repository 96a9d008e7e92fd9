"""Create directories atomically."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def atomic_directory(path: str) -> Iterator[str]:
    """Yield an empty directory that is renamed to `path` at the end. If another process was first, its directory
    stays.
    """
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix=".made-", dir=os.path.dirname(path))
    try:
        yield directory
        os.chmod(directory, 0o755)
        os.rename(directory, path)
    except BaseException as error:
        shutil.rmtree(directory, ignore_errors=True)
        if not isinstance(error, OSError) or not os.path.isdir(path):
            raise
