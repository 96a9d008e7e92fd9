"""Check that the interpreters of an image load the libraries that built modules of theirs were linked with.

The loader has one library of a name in a process. The one that an interpreter has loaded is what a built module gets,
whatever its own RUNPATH says; so is that of a module of the standard library, if the process has imported it before.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload.extension_modules import STANDARD, interpreter_of
from fpack.builders.payload.ld_paths import default_directories
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import BuildError
from fpack.store.path import STORE

from .image_fs import PACKAGE_LABEL, ImageFs

_STORE = f"{STORE[1:]}/"
# Returns what the file at a resolved path of the image loads, or None if it is no program or library.
FactsOf = Callable[[str], LoadFacts | None]


class _LoadedLibrary(NamedTuple):
    """A library of an interpreter. module: the standard module that loads it; "" for those of the program itself."""

    path: str
    module: str = ""


def check_modules(
    view: ImageFs, arch: str, built: Iterable[tuple[str, LoadFacts]], standard: Sequence[str], facts_of: FactsOf
) -> list[str]:
    """Raise BuildError if an interpreter's program loads another library than a built module was linked with.

    built: paths and facts of modules in store paths. standard: paths of the files of packages, of which the modules of
    the interpreter count: what they load matters only to a process that imports them, so return a note for it. A
    library that the module brings itself, as wheels do, is not checked.
    """
    directories = default_directories(arch)
    known: dict[str, Mapping[str, _LoadedLibrary]] = {}
    notes: dict[str, None] = {}
    for path, facts in built:
        program = interpreter_of(f"/{path}")
        if program is None:
            continue
        if program not in known:
            known[program] = _loaded(view, program, standard, facts_of, directories)
        origin = posixpath.dirname(f"/{path}")
        along = [d.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for d in facts.runpath]
        for soname in facts.needed:
            meant, found = _first(view, along, soname), known[program].get(soname)
            if meant is None or found is None or meant == found.path or not meant.startswith(_STORE):
                continue
            if _base(meant) == _base(path):
                continue
            if not found.module:
                raise _other(view, path, program, soname, meant, found.path)
            module = posixpath.basename(found.module).partition(".")[0]
            notes[
                f"/{path} loads /{found.path} instead of the {soname} that it was linked with, in a process of "
                f"{program} that has imported {module} before; `replace` in the container, for "
                f"{_package(view, found.path)}, gives both the built one"
            ] = None
    return list(notes)


def _other(view: ImageFs, path: str, program: str, soname: str, meant: str, found: str) -> BuildError:
    name = _base(meant).partition("-")[2]
    return BuildError(
        f"/{path} would not load {soname} of {name}, which it was linked with",
        where=f"/{path}",
        why=f"{program} loads /{found}, and a process has one library of a name",
        hint=f"give {program} the built one too: replace = {{ {_package(view, found)} = ... }} in the container; or "
        f"take {name} out of the `libs` of the build",
    ).with_(field="replace")


def _package(view: ImageFs, path: str) -> str:
    """Return the name of the package that has a library, as a field of `replace` has it."""
    entry = view.get(path)
    label = entry.source.label if entry is not None else ""
    return label.removeprefix(PACKAGE_LABEL) if label.startswith(PACKAGE_LABEL) else "PACKAGE"


def _base(path: str) -> str:
    """Return the name of the store path that a file belongs to."""
    return path.removeprefix(_STORE).partition("/")[0]


def _loaded(
    view: ImageFs, program: str, standard: Sequence[str], facts_of: FactsOf, directories: Sequence[str]
) -> Mapping[str, _LoadedLibrary]:
    """Return each library that an interpreter of the image and its standard modules load, by its name."""
    start = view.resolve(f"usr/bin/{program}")
    if start is None:
        return {}
    modules = STANDARD.get(program)
    found: dict[str, _LoadedLibrary] = {}
    for module in ["", *(path for path in standard if modules is not None and modules.fullmatch(path))]:
        level = [module or start[0]]
        for at in level:  # the loader's order: breadth first
            facts = facts_of(at)
            if facts is None or not facts.machine:
                continue
            origin = f"/{posixpath.dirname(at)}"
            along = [d.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for d in facts.runpath]
            for soname in facts.needed:
                path = None if soname in found else _first(view, [*along, *directories], soname)
                if path is not None:
                    found[soname] = _LoadedLibrary(path, module)
                    level.append(path)
    return found


def _first(view: ImageFs, directories: Iterable[str], name: str) -> str | None:
    """Return the file of a name that the loader finds in directories: its path without symlinks, relative to `/`."""
    for directory in directories:
        found = view.resolve(f"{posixpath.normpath(f'/{directory}')}/{name}")
        if found is not None:
            return found[0].lstrip("/")
    return None
