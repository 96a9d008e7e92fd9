"""Find the files on this machine from which damaged sources of the store can be copied again.

The store records the name and the digest of a source, but not its path. So the files of that name in the known projects
and in the working directory are hashed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError
from fpack.store.path import StorePath, clean_name

if TYPE_CHECKING:
    from fpack.store.store import Store

_MOST = 50_000  # files to look at, since a project can be a home directory


def find_sources(store: Store, paths: Collection[StorePath]) -> dict[str, Path]:
    """Return the file or directory that has the content of each source among `paths`, by the digest of its tree."""
    wanted = _sources(store, paths)
    names = set(wanted.values())
    found: dict[str, Path] = {}
    for path in _candidates(_directories(store), names) if wanted else ():
        digest = _digest(path)
        if digest in wanted:
            found.setdefault(digest, path)
        if len(found) == len(wanted):
            break
    return found


def _sources(store: Store, paths: Collection[StorePath]) -> dict[str, str]:
    """Return the names of the sources among `paths`, by the digests of their trees.

    Other paths are built again instead.
    """
    found = {}
    for path in paths:
        for digest in store.database.made_by(path):
            drv = store.derivation(digest)
            if drv is not None and drv.kind == "source":
                found[str(drv.args["tree"])] = drv.name
    return found


def _directories(store: Store) -> list[Path]:
    """Return the directories of projects and results, and the working directory, without those that lie in others."""
    from fpack.store.collection import roots

    with store.database.reading() as db:
        projects = [name for (name,) in db.execute("SELECT project FROM uses UNION SELECT project FROM pins")]
    results = [os.path.dirname(root.name) for root in roots.links(store.root) if root.kind == "result"]
    found: list[Path] = []
    for path in sorted({Path(name) for name in (*projects, *results, os.getcwd()) if name}):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def _candidates(directories: Collection[Path], names: Collection[str]) -> Iterator[Path]:
    """Yield the files and directories of such names in or below directories, and the directories themselves."""
    seen = 0
    for top in directories:
        if clean_name(top.name) in names:
            yield top
        for directory, below, files in os.walk(top):
            below[:] = sorted(name for name in below if name != ".git")
            for name in (*below, *sorted(files)):
                if clean_name(name) in names:
                    yield Path(directory, name)
            seen += len(below) + len(files)
            if seen > _MOST:
                return


def _digest(path: Path) -> str:
    from fpack.store.files.source import SourceTree

    try:
        return SourceTree().hash(path).hex()
    except (FpackError, OSError):
        return ""  # the source was something else
