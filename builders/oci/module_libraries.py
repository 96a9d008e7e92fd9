"""Check that the interpreters of an image load the libraries that built modules of theirs were linked with.

The loader has one library of a name in a process. What an interpreter or a module of its standard library has loaded
is what a built module gets, whatever its own RUNPATH says.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from fpack.builders.payload.extension_modules import STANDARD, interpreter_of
from fpack.builders.payload.ld_paths import default_directories
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import BuildError
from fpack.store.path import STORE

from .image_fs import PACKAGE_LABEL, ImageFs

_STORE = f"{STORE[1:]}/"
# Returns what the file at a resolved path of the image loads, or None if it is no program or library.
FactsOf = Callable[[str], LoadFacts | None]


def check_modules(
    view: ImageFs,
    arch: str,
    built: Iterable[tuple[str, LoadFacts]],
    standard: Sequence[str],
    facts_of: FactsOf,
) -> None:
    """Raise BuildError if an interpreter has loaded another library than that which a built module was linked with.

    built: paths and facts of modules in store paths. standard: paths of the files of packages, of which the modules of
    the interpreter count. A library that the module brings itself, as wheels do, is not checked.
    """
    directories = default_directories(arch)
    known: dict[str, Mapping[str, str]] = {}
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
            if meant is None or found is None or meant == found or not meant.startswith(_STORE):
                continue
            if _base(meant) != _base(path):
                raise _other(view, path, program, soname, meant, found)


def _other(view: ImageFs, path: str, program: str, soname: str, meant: str, found: str) -> BuildError:
    entry = view.get(found)
    label = entry.source.label if entry is not None else ""
    package = label.removeprefix(PACKAGE_LABEL) if label.startswith(PACKAGE_LABEL) else "PACKAGE"
    name = _base(meant).partition("-")[2]
    return BuildError(
        f"/{path} would not load {soname} of {name}, which it was linked with",
        where=f"/{path}",
        why=f"{program} loads /{found}, and a process has one library of a name",
        hint=f"give {program} the built one too: replace = {{ {package} = ... }} in the container; or take {name} out "
        "of the `libs` of the build",
    ).with_(field="replace")


def _base(path: str) -> str:
    """Return the name of the store path that a file belongs to."""
    return path.removeprefix(_STORE).partition("/")[0]


def _loaded(
    view: ImageFs, program: str, standard: Sequence[str], facts_of: FactsOf, directories: Sequence[str]
) -> Mapping[str, str]:
    """Return the path of each library that an interpreter of the image and its standard modules load, by its name."""
    start = view.resolve(f"usr/bin/{program}")
    if start is None:
        return {}
    modules = STANDARD.get(program)
    level = [start[0], *(path for path in standard if modules is not None and modules.fullmatch(path))]
    found: dict[str, str] = {}
    for at in level:  # the loader's order: breadth first
        facts = facts_of(at)
        if facts is None or not facts.machine:
            continue
        origin = f"/{posixpath.dirname(at)}"
        along = [d.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for d in facts.runpath]
        for soname in facts.needed:
            path = None if soname in found else _first(view, [*along, *directories], soname)
            if path is not None:
                found[soname] = path
                level.append(path)
    return found


def _first(view: ImageFs, directories: Iterable[str], name: str) -> str | None:
    """Return the file of a name that the loader finds in directories: its path without symlinks, relative to `/`."""
    for directory in directories:
        found = view.resolve(f"{posixpath.normpath(f'/{directory}')}/{name}")
        if found is not None:
            return found[0].lstrip("/")
    return None
