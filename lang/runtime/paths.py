"""Resolve paths in source texts, and keep each path inside its project's or library's directory."""

from __future__ import annotations

import os

from fpack.lang.errors import Fault, quote
from fpack.store.files.owners import find_above

from .values import Path

PROJECT_FILE = "fpack.fp"


def project_root(directory: str) -> str:
    """Return the nearest directory at or above `directory` that has a project file, else `directory` itself."""
    return find_above(directory, PROJECT_FILE) or directory


def within(root: str, directory: str, text: str, library: bool = False, reader: str = "") -> Path:
    """Resolve `text` relative to a directory; raise Fault if the path, or a symlink's target, is outside `root`.

    reader: see `Path`.
    """
    if "\0" in text:
        raise Fault("A path holds a NUL character")
    path = os.path.normpath(f"{directory}/{text}")
    for absolute in (path, os.path.realpath(path)):
        if absolute != root and not absolute.startswith(root.rstrip("/") + "/"):
            what = "the library" if library else "the project"
            hint = "" if library else f"put {PROJECT_FILE} in a directory above to make it the project's directory"
            raise Fault(f"{quote(text)} is outside {what}", why=f"{what}'s directory is {root}", hint=hint)
    return Path(path, root, reader=reader)


def joined(path: Path, text: str) -> Path:
    """Evaluate `path + text`; the result must be inside the same project."""
    directory, _, name = path.path.rpartition("/")
    return within(path.root, directory, name + text, reader=path.reader)
