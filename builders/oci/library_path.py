"""Check that LD_LIBRARY_PATH of an image does not take the place of libraries that built programs were linked with.

The loader searches that variable before the RUNPATH of a file, by which built programs find the libraries of `libs`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError
from fpack.store.path import STORE

from .image_fs import ImageFs

VARIABLE = "LD_LIBRARY_PATH"


def check_library_path(view: ImageFs, value: str, files: Iterable[TreeEntry]) -> None:
    """Raise BuildError if a file would load another library than that of a store path in its RUNPATH.

    value: of the variable. files: those of store paths.
    """
    directories = [directory for directory in value.split(":") if directory.startswith("/")]
    for entry in files if directories else ():
        facts = entry.facts
        if facts is None or not facts.machine or not facts.runpath:
            continue
        origin = posixpath.dirname(f"/{entry.path}")
        along = [d.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for d in facts.runpath]
        for soname in facts.needed:
            meant = _first(view, along, soname)
            found = _first(view, directories, soname)
            if meant is None or found is None or found == meant or not meant.startswith(f"{STORE}/"):
                continue
            raise BuildError(
                f"/{entry.path} would not load {meant}, which it was linked with",
                where=f"/{entry.path}",
                why=f"{VARIABLE} in `env` is {value}, the loader searches it first, and {found} is there",
                hint=f"name {posixpath.dirname(meant)} before it, or leave {posixpath.dirname(found)} out",
            ).with_(field="env")


def _first(view: ImageFs, directories: Iterable[str], name: str) -> str | None:
    """Return the file of a name that the loader finds in directories, without symlinks."""
    for directory in directories:
        found = view.resolve(f"{posixpath.normpath(directory)}/{name}") if directory.startswith("/") else None
        if found is not None:
            return f"/{found[0].lstrip('/')}"
    return None
