"""Read the code of a project's own programs, with limits, and without following a symlink."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from ..native.texts import list_files, read_files

_MOST = 4000  # files that are read
# Directories whose code is no part of the programs.
_OTHERS = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|docs?|examples?|samples?|demos?|bench(?:marks?)?|scripts|tools|ci)/|"
    r"(?:^|/)(?:test_[^/]*|conftest|setup[\w-]*|noxfile|tasks)\.py$|\.(?:test|spec|config)\.[cm]?[jt]s$|\.min\.js$"
)


def read_code(directory: Path, endings: tuple[str, ...]) -> Mapping[str, str]:
    """Return the texts of the files whose names have one of some endings, by their paths."""
    paths = (path for path in sorted(list_files(directory)) if path.endswith(endings) and not _OTHERS.search(path))
    return read_files(directory, islice(paths, _MOST))
