"""The sources of fpack, for tests that look at all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from support.paths import REPOSITORY

ROOMS = ("store", "lang", "builders", "cli", "pkgs")


def modules() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each module."""
    for room in ROOMS:
        for file in sorted((REPOSITORY / room).rglob("*.py")):
            yield ".".join(("fpack", *file.relative_to(REPOSITORY).with_suffix("").parts)), file.read_text()


@lru_cache(1)
def trees() -> dict[Path, ast.Module]:
    """Return the syntax tree of each module, by its path."""
    paths = [path for room in ROOMS for path in sorted((REPOSITORY / room).rglob("*.py"))]
    return {path: ast.parse(path.read_text()) for path in paths}
