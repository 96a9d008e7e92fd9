"""Where paths may lead: a project's files stay within its directory, the library's within theirs."""

from __future__ import annotations

import os

from fpack.lang.errors import Fault, quote
from fpack.store.files.owners import find_above

from .values import Path

PROJECT_FILE = "fpack.fp"


def project_root(directory: str) -> str:
    """The nearest directory at or above `directory` that has a project file, else `directory` itself."""
    return find_above(directory, PROJECT_FILE) or directory


def within(root: str, directory: str, text: str, library: bool = False) -> Path:
    """The path that `text` means in a directory; a Fault if it, or what it links to, is not below `root`."""
    if "\0" in text:
        raise Fault("A path holds a NUL character")
    path = os.path.normpath(f"{directory}/{text}")
    for place in (path, os.path.realpath(path)):
        if place != root and not place.startswith(root.rstrip("/") + "/"):
            what = "the library" if library else "the project"
            hint = "" if library else f"a file {PROJECT_FILE} in a directory above makes that one the project's"
            raise Fault(f"{quote(text)} is outside {what}", why=f"{root} is its directory", hint=hint)
    return Path(path, root)


def joined(path: Path, text: str) -> Path:
    """`path + text`, within the same project."""
    directory, _, name = path.place.rpartition("/")
    return within(path.root, directory, name + text)
