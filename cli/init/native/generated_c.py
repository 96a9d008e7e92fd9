"""Find the C sources of a project that Cython generated, and generate them again."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOST = 200  # lines to write
_ENTRIES = 20_000  # files to look at
_SKIPPED = re.compile(r"\.|node_modules\Z|build\Z|dist\Z")
_NAME = re.compile(r"[\w][\w./+-]*")


def generating_commands(project: Path) -> str:
    """Return commands that generate each C source again whose `.pyx` lies beside it, or "" if there are none.

    Language level 2 is the default of the versions of Cython that are meant; a directive in a file takes precedence.
    """
    lines: list[str] = []
    seen = 0
    for directory, folders, files in os.walk(project):
        folders[:] = sorted(name for name in folders if not _SKIPPED.match(name))
        seen += len(files)
        if seen > _ENTRIES or len(lines) >= _MOST:
            break
        names = set(files)
        for name in sorted(files):
            stem = os.path.relpath(os.path.join(directory, name), project).removesuffix(".pyx")
            made = next((end for end in (".cpp", ".c", ".cc", ".cxx") if f"{name[:-4]}{end}" in names), None)
            if name.endswith(".pyx") and made is not None and _NAME.fullmatch(stem):
                plus = "" if made == ".c" else " --cplus"
                lines.append(f"cython3 -2{plus} {stem}.pyx -o {stem}{made}")
    return "; ".join(lines)
