"""Generate the .gitignore that `fpack init` writes for a project without one.

A build sets the same mtime on all sources, so make would take an object file among the sources for up to date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .guess import Guess
from .project import Project

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
_IN_PLACE = {"make", "autotools", "go"}
# Files that show that a directory of such a name was made by a build: other ones are the author's.
_MADE = ("CMakeCache.txt", "build.ninja", "CACHEDIR.TAG", ".rustc_info.json", "pyvenv.cfg")


def ignored(guess: Guess, project: Project) -> str | None:
    """Return the text of the file, or None if the project already has one."""
    if project.has(".gitignore"):
        return None
    lines = [line for line in _LEFTOVERS.get(guess.call, ()) if not _is_of_author(line, project)]
    if ("bootstrap", "true") in guess.fields:
        lines += _BOOTSTRAPPED
    if guess.call in _IN_PLACE and guess.entrypoint:
        program = guess.entrypoint[0].rpartition("/")[2]
        lines += [] if program in project.directories | project.scripts else [f"/{program}"]
    lines += ["/result"]
    if not guess.library:
        lines += [f"/{guess.name}.tar", f"/{guess.name}.manifest.json"]
    # An existing Makefile may be written by the author.
    return "".join(f"{line}\n" for line in lines if line != "/Makefile" or not project.has("Makefile"))


def _is_of_author(line: str, project: Project) -> bool:
    """Return whether a line names a top directory that has sources, such as `build` with CMake's modules."""
    name = line.strip("/")
    return (
        line == f"/{name}/"
        and name in project.directories
        and not any(f"{name}/{file}" in project.files for file in _MADE)
    )
