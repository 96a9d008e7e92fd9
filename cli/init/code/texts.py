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
    r"(?:^|/)(?:tests?|__tests__|spec|docs?|examples?|samples?|demos?|bench(?:marks?)?|scripts|tools|ci|contrib)/|"
    r"(?:^|/)(?:test_[^/]*|conftest|setup[\w.-]*|\w*_setup|noxfile|tasks)\.py$|"
    r"\.(?:test|spec|config)\.[cm]?[jt]s$|\.min\.js$"
)
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)


def read_code(directory: Path, endings: tuple[str, ...]) -> Mapping[str, str]:
    """Return the texts of the files whose names have one of some endings, by their paths."""
    build = _modules_of_build(directory) if ".py" in endings else frozenset()
    paths = (
        path
        for path in sorted(list_files(directory))
        if path.endswith(endings) and not _OTHERS.search(path) and path not in build
    )
    return read_files(directory, islice(paths, _MOST))


def _modules_of_build(directory: Path) -> frozenset[str]:
    """Return the modules beside a setup.py that it imports, and does not name as modules to install."""
    text = read_files(directory, ["setup.py"]).get("setup.py", "")
    return frozenset(
        f"{name}.py" for name in _IMPORT.findall(text) if f'"{name}"' not in text and f"'{name}'" not in text
    )
