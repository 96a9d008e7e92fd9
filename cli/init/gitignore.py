"""The .gitignore that `fpack init` writes for a project without one: what work in it leaves is no part of the source.

A build takes all sources for equally old, so an object or a program that lies among them would be taken for made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .detect import Guess
from .project import Project

_LEFT: Mapping[str, Sequence[str]] = {
    "python": ("__pycache__/", "*.egg-info/", "/.venv/", "/venv/"),
    "node": ("node_modules/",),
    "rust": ("/target/",),
    "ruby": ("/.bundle/",),
    "cmake": ("/build/",),
    "meson": ("/build/", "/builddir/"),
    "autotools": ("*.o", "*.lo", "*.la", ".deps/", ".libs/", "/config.log", "/config.status", "/Makefile"),
    "make": ("*.o",),
}
# What is made from configure.ac, where it is.
_BOOTSTRAPPED = (
    "Makefile.in", "/aclocal.m4", "/autom4te.cache/", "/compile", "/config.guess", "/config.sub", "/configure",
    "/configure~", "/depcomp", "/install-sh", "/ltmain.sh", "/missing", "/test-driver", "*.log", "*.trs",
)  # fmt: skip
_IN_PLACE = {"make", "autotools", "go"}


def ignored(guess: Guess, project: Project) -> str | None:
    """The file's text; None where the project has one already."""
    if project.has(".gitignore"):
        return None
    lines = [*_LEFT.get(guess.call, ())]
    if ("bootstrap", "true") in guess.fields:
        lines += _BOOTSTRAPPED
    if guess.call in _IN_PLACE and guess.entrypoint:
        program = guess.entrypoint[0].rpartition("/")[2]
        lines += [] if program in project.folders else [f"/{program}"]
    lines += ["/result"]
    if not guess.library:
        lines += [f"/{guess.name}.tar", f"/{guess.name}.manifest.json"]
    # A Makefile that is there now may be one that the author wrote.
    return "".join(f"{line}\n" for line in lines if line != "/Makefile" or not project.has("Makefile"))
