"""Read the code of a project's own programs, with limits, and without following a symlink."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..native.texts import MAX_FILE, MAX_TOTAL, list_files

_MOST = 4000  # files that are read
# Directories whose code is no part of the programs.
_OTHERS = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|docs?|examples?|samples?|demos?|bench(?:marks?)?|scripts|tools|ci)/|"
    r"(?:^|/)(?:test_[^/]*|conftest|setup[\w-]*|noxfile|tasks)\.py$|\.(?:test|spec|config)\.[cm]?[jt]s$|\.min\.js$"
)


def read_code(directory: Path, endings: tuple[str, ...]) -> Mapping[str, str]:
    """Return the texts of the files whose names have one of some endings, by their paths."""
    found: dict[str, str] = {}
    left = MAX_TOTAL
    for path in sorted(list_files(directory)):
        if not path.endswith(endings) or _OTHERS.search(path) or len(found) >= _MOST:
            continue
        try:
            with open(directory / path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError:
            continue
        left -= len(data)
        if left < 0:
            break
        if len(data) <= MAX_FILE:
            found[path] = data.decode("utf-8", "replace")
    return found
