"""Generate the .gitignore that `fpack init` writes for a project without one.

A build sets the same mtime on all sources, so make would take an object file among the sources for up to date.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fpack.store.files.source import SourceIgnores

from .guess import Guess, few
from .project import Project, split_name
from .ruby.rails import secrets

_LEFTOVERS: Mapping[str, Sequence[str]] = {
    "python": ("__pycache__/", "*.egg-info/", "/.venv/", "/venv/"),
    "node": ("node_modules/",),
    "rust": ("/target/",),
    "ruby": ("/.bundle/",),
    "cmake": ("/build/",),
    "meson": ("/build/", "/builddir/"),
    "autotools": ("*.o", "*.lo", "*.la", ".deps/", ".libs/", "/config.log", "/config.status", "/Makefile"),
    "make": ("*.o",),
}
# Files that are generated from configure.ac.
_BOOTSTRAPPED = (
    "Makefile.in", "/aclocal.m4", "/autom4te.cache/", "/compile", "/config.guess", "/config.sub", "/configure",
    "/configure~", "/depcomp", "/install-sh", "/ltmain.sh", "/missing", "/test-driver", "*.log", "*.trs",
)  # fmt: skip
_GENERATED = frozenset(name.strip("/") for name in (*_BOOTSTRAPPED, "Makefile", "config.log", "config.status"))
_COMPILED = re.compile(r"\.(?:l?o|l?a|so|pyc|log|cache)$|~$")
_NATIVE = frozenset({"autotools", "cmake", "make", "meson"})
_OWN = frozenset({"fpack.fp", "fpack.lock", "result"})
_IN_PLACE = {"make", "autotools", "go"}
# Files that show that a directory of such a name was made by a build: other ones are the author's.
_MADE = ("CMakeCache.txt", "build.ninja", "CACHEDIR.TAG", ".rustc_info.json", "pyvenv.cfg")


def ignored(guess: Guess, project: Project) -> str | None:
    """Return the text of the file, or None if the project already has one."""
    if project.has(".gitignore"):
        return None
    lines = [line for line in _LEFTOVERS.get(guess.call, ()) if not _is_of_author(line, project)]
    if project.has("PKG-INFO") and any(map(_is_list_of_files, project.files)):
        lines = [line for line in lines if line != "*.egg-info/"]
    if ("bootstrap", "true") in guess.fields:
        lines += _BOOTSTRAPPED
    if guess.call in _IN_PLACE and guess.entrypoint:
        program = guess.entrypoint[0].rpartition("/")[2]
        lines += [] if program in project.directories | project.scripts.keys() else [f"/{program}"]
    lines += secrets(project)
    lines += ["/result"]
    if not guess.library:
        lines += [f"/{guess.name}.tar", f"/{guess.name}.manifest.json"]
    # An existing Makefile may be written by the author.
    return "".join(f"{line}\n" for line in lines if line != "/Makefile" or not project.has("Makefile"))


def whole_release(guess: Guess, project: Project, directory: Path) -> Guess:
    """Return a guess whose source has all files of an unpacked release, if its .gitignore lists some of them.

    A source distribution of Python has a PKG-INFO, and often files that were generated when it was made. The directory
    of another one has its version.
    """
    native = guess.call in _NATIVE and _is_unpacked(directory)
    is_release = native or (guess.call == "python" and project.has("PKG-INFO"))
    if not is_release or (directory / ".git").exists() or not project.has(".gitignore"):
        return guess
    ignores = SourceIgnores(directory)
    by_repository = re.search(r"\bsetuptools[-_]scm\b", project.text("pyproject.toml") + project.text("setup.py"))
    lost = [
        name
        for name in sorted(project.files)
        if (not _is_leftover(name, native) or (by_repository and _is_list_of_files(name)))
        and _is_ignored(ignores, directory, name)
    ]
    if not lost:
        return guess
    names = list(dict.fromkeys(name.rpartition("/")[2] for name in lost))
    part = "it is part" if len(names) == 1 else "they are part"
    reasons = [*guess.reasons, f".gitignore lists {few(names)}, which the release has: {part} of the source"]
    return guess._replace(fields=[("source", "source(./., { ignored = true })"), *guess.fields], reasons=reasons)


def _is_ignored(ignores: SourceIgnores, directory: Path, name: str) -> bool:
    parts = name.split("/")
    return any(
        not ignores.keeps(os.fsencode(directory.joinpath(*parts[:count])), count < len(parts))
        for count in range(1, len(parts) + 1)
    )


def _is_leftover(name: str, native: bool) -> bool:
    """Return whether a file is a trace of a user's own builds or environments, or fpack's own.

    native: the release is of a program that is compiled. Of another one, a file such as p/lib.so is part of the source.
    """
    parts = name.split("/")
    made = {"__pycache__", "node_modules", ".venv", "build", "dist", ".tox", ".pytest_cache", ".mypy_cache", ".deps"}
    made |= {".libs", "autom4te.cache"}
    return (
        not made.isdisjoint(parts[:-1])
        or any(part.endswith(".egg-info") for part in parts)
        or name in _OWN
        or (native and (_COMPILED.search(parts[-1]) is not None or parts[-1] in _GENERATED))
    )


def _is_unpacked(directory: Path) -> bool:
    """Return whether a directory has the name of an unpacked release, such as hello-1.2."""
    return split_name(directory.name)[1] is not None


def _is_list_of_files(name: str) -> bool:
    """Return whether a file of a release tells setuptools, in the place of a repository, which data files there are."""
    return name.endswith(".egg-info/SOURCES.txt")


def _is_of_author(line: str, project: Project) -> bool:
    """Return whether a line names a top directory that has sources, such as `build` with CMake's modules."""
    name = line.strip("/")
    return (
        line == f"/{name}/"
        and name in project.directories
        and not any(f"{name}/{file}" in project.files for file in _MADE)
    )
