"""Put a script before a build's linkers, so that what is linked with the libraries of `libs` finds them at run time.

The script, `lang/std/build/linker.fp`, is an argument of the derivation. The build sees it in `BIN` by the name of each
linker that there is, and beside it the list of libraries that it reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fpack.builders.payload.libraries import BuiltLibrary
from fpack.builders.sandbox.spec import CONTROL
from fpack.store.files.regular_file import read_small
from fpack.store.path import STORE, StorePath

BIN = f"{CONTROL}/bin"
_LIBRARIES = "libraries"
_LINKER = re.compile(r"(?:[\w.-]+-)?ld(?:\.(?:bfd|gold|lld|mold)(?:-\d+)?)?|mold|gold")


def control_files(
    disk: Callable[[str], Path], script: StorePath, path: str, view: Path, libraries: Sequence[BuiltLibrary]
) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files in CONTROL.

    disk: returns where a path below the store lies. path: the build's PATH. view: its root on disk.
    """
    text = read_small(disk(str(script))).decode()
    for name in sorted({name for directory in path.split(":") for name in _linkers(disk, directory, view)}):
        yield f"{os.path.basename(BIN)}/{name}", text
    yield _LIBRARIES, "".join(f"{library.directory} {library.soname}\n" for library in libraries)


def variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which compilers find the script. gcc and clang search COMPILER_PATH first."""
    return {name: ":".join(filter(None, (BIN, env.get(name)))) for name in ("PATH", "COMPILER_PATH")}


def _linkers(disk: Callable[[str], Path], directory: str, view: Path) -> Iterator[str]:
    """Yield the names of the linkers in a directory of PATH."""
    try:
        inside = disk(directory) if directory.startswith(f"{STORE}/") else view / directory.strip("/")
        names = os.listdir(inside)
    except OSError:
        return
    yield from filter(_LINKER.fullmatch, names)
