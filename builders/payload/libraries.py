"""List the shared libraries of the built packages that a build is linked with."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.machines import MACHINES
from fpack.builders.payload import elf
from fpack.builders.payload.meta import LoadFacts
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath, parse

_DIRECTORIES = ("lib", "lib64", *(f"lib/{machine.triplet}" for machine in MACHINES.values()))
_SHARED = re.compile(r".+\.so(?:\.[\w.]+)?")
_SONAME = re.compile(r"[\x21-\x7e]+")


class BuiltLibrary(NamedTuple):
    """A soname and the directory in which the loader finds it. soname: "" if the directory has only archives.

    package: the store path that the directory belongs to.
    """

    directory: str
    soname: str
    machine: int
    package: StorePath


def built_libraries(disk: Callable[[StorePath], Path], packages: Sequence[StorePath]) -> list[BuiltLibrary]:
    """Return the libraries of packages, those of one package sorted. disk: returns where a store path lies."""
    return [
        library for path in packages for below in _DIRECTORIES for library in _in_directory(disk(path), path, below)
    ]


def _in_directory(top: Path, package: StorePath, below: str) -> Iterator[BuiltLibrary]:
    disk = top / below
    try:
        names = sorted(os.listdir(disk))
    except (FileNotFoundError, NotADirectoryError):
        return
    directory = f"{STORE}/{package.base}/{below}"
    found: dict[str, int] = {}
    for name in names:
        if _SHARED.fullmatch(name) and (facts := _facts(disk / name)) is not None and facts.machine:
            # A library without a soname is loaded by the name of its file.
            soname = facts.soname if facts.soname in names else name
            if _SONAME.fullmatch(soname):
                found[soname] = facts.machine
    if not found and any(name.endswith(".a") for name in names):
        found[""] = 0
    for soname in sorted(found):
        yield BuiltLibrary(directory, soname, found[soname], package)


def _facts(path: Path) -> LoadFacts | None:
    """Return the facts of a library. A link to a library in the same directory is one too."""
    try:
        real = Path(os.path.realpath(path))
        if real.parent != path.parent.resolve():
            return None
        with open_regular(real) as file:
            head = file.read(elf.HEAD)
        return elf.facts(head, os.fspath(real)) if head.startswith(elf.ELF_MAGIC) else None
    except (StoreError, OSError):
        return None


def graft_targets(grafts: Sequence[Mapping[str, object]]) -> list[StorePath]:
    """Return the store paths of the libraries that a root's record of grafts names."""
    return sorted({parse(str(row["target"]).split("/")[3]) for row in grafts})
