"""Complete the guess about a project of Python or Node by its code: the packages that it loads, where it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError

from ..guess import Guess, LoadedLibrary, record
from ..native.complete import with_listed
from ..native.terminal import with_terminal_of_python
from ..native.texts import list_files, read_files
from .libraries import loaded_libraries
from .python_modules import imported, with_modules
from .started_programs import started, started_by, with_programs
from .texts import read_code
from .working_directory import reads_here, with_directory, with_own_files, writes_here

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.cli.shared_options import SharedOptions

_MOST = 30  # packages that are added
_NODE = (".js", ".mjs", ".cjs", ".ts")  # code of programs of Node
_SHOWN = 8  # libraries that a message names


def complete_code(guess: Guess, directory: Path, options: SharedOptions, release: str) -> Guess:
    """Return a guess with what a project's code needs. The index of files is fetched if it loads any library."""
    if guess.call in ("node", "python") and guess.entrypoint and guess.image is None:
        guess = _with_programs(guess, directory)
    if guess.call == "node" and guess.entrypoint and not guess.workdir:
        return _with_workdir(guess, directory)
    if guess.call != "python":
        return guess
    texts, files = read_code(directory, (".py",)), list_files(directory)
    guess = with_modules(guess, list(imported(texts, files)), release)
    guess = with_terminal_of_python(guess, texts)
    own = loaded_libraries(texts, files)
    loads = [*own, *guess.loads]
    if not loads:
        return guess
    from fpack.cli.time_limit import paused
    from fpack.cli.workspace.needs import open_finder
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.workspace import Workspace

    try:
        with paused(), Workspace(options) as workspace:
            workspace.use_project(directory)
            return with_libraries(guess, loads, open_finder(Packages(workspace, guess.release or release)))
    except FpackError as error:
        names = ", ".join([library.name for library in loads][:_SHOWN])
        line = f"add to `runtime` the packages that have {names}: they could not be looked up: {error.what}"
        return guess._replace(todo=[*guess.todo, line])


def _with_programs(guess: Guess, directory: Path) -> Guess:
    """Return a guess about a program whose image has the programs that its code and its packages start."""
    if guess.call == "python":
        found = [*started(read_code(directory, (".py",)), "python"), *started_by(guess.uses, "python")]
        return with_programs(guess, found)
    texts = read_code(directory, _NODE)
    try:
        data = record(json.loads(read_files(directory, ["package.json"]).get("package.json", "")))
    except (ValueError, RecursionError):
        data = {}
    return with_programs(guess, [*started(texts, "node"), *started_by(record(data.get("dependencies")), "node")])


def _with_workdir(guess: Guess, directory: Path) -> Guess:
    """Return a guess about a program of Node with the working directory that its code expects."""
    texts = read_code(directory, _NODE)
    if guess.serves and (place := writes_here(texts)):
        return with_directory(guess, place)
    place = reads_here(texts, list_files(directory))
    return with_own_files(guess, place) if place else guess


def with_libraries(guess: Guess, loads: Sequence[LoadedLibrary], finder: NeedFinder) -> Guess:
    """Return a guess with the packages of the libraries that it loads, as far as the release has any.

    A name that no package has is one of another system, or is tried beside others.
    """
    chosen: dict[str, tuple[str, str]] = {}
    for library in loads:
        package = _package(library.name, finder)
        if package is not None and len(chosen) < _MOST:
            field = "libs" if library.linked else "runtime"
            chosen.setdefault(package, (field, f"{library.where}: {library.name} is in {package}"))
    fields, reasons = [*guess.fields], [*guess.reasons]
    for field in ("libs", "runtime"):
        names = sorted(name for name, (of, _) in chosen.items() if of == field)
        if names:
            fields = with_listed(fields, field, names)
            reasons += [chosen[name][1] for name in names]
    return guess._replace(fields=fields, reasons=reasons)


def _package(name: str, finder: NeedFinder) -> str | None:
    """Return the package that has a library: by its soname, by its link `libNAME.so`, or by its name alone."""
    from fpack.builders.debian.contents.needs import LIBRARY, SONAME, BuildNeed

    if re.search(r"\.so\.\d", name):
        return finder.find(BuildNeed(SONAME, name)).best
    if name.endswith(".so"):
        return finder.find(BuildNeed(SONAME, name)).best or finder.find(BuildNeed(LIBRARY, name[3:-3])).best
    soname = finder.soname(name.removeprefix("lib"))
    return finder.find(BuildNeed(SONAME, soname)).best if soname else None
