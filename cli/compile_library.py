"""Compile the library for an installation: `python -m fpack.cli.compile_library DIRECTORY`.

The directory gets the entries that the cache of a user would get. `disk_cache.read_installed` reads them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .version import VERSION


def compile_library(directory: Path) -> None:
    """Compile the standard library and the curated packages, and make the tables of the parser."""
    from fpack import pkgs
    from fpack.lang.evaluator import Evaluator
    from fpack.store.files import disk_cache

    disk_cache.INSTALLED = os.devnull  # an entry that is read there would not be written
    directory.mkdir(parents=True, exist_ok=True)
    evaluator = Evaluator(cache=directory, library=[Path(pkgs.__path__[0])], settings={"version": VERSION})
    evaluator.compile_library()


if __name__ == "__main__":
    compile_library(Path(sys.argv[1]))
