"""Guess how a project that has scripts alone is packed: jobs and tools that a shell or another interpreter runs.

All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .guess import Guess, clean_name, few, text
from .project import Project

# The packages of interpreters, by the names of their programs. Those with a version in the name are in a package of it.
_INTERPRETERS: Mapping[str, str] = {
    "sh": "dash", "dash": "dash", "bash": "bash", "zsh": "zsh", "fish": "fish", "ksh": "ksh93u+m", "mksh": "mksh",
    "perl": "perl", "tclsh": "tcl", "expect": "expect", "ruby": "ruby", "php": "php-cli", "node": "nodejs",
    "python3": "python3", "guile": "guile-3.0", "gawk": "gawk", "awk": "mawk", "Rscript": "r-base-core",
}  # fmt: skip
_VERSIONED = re.compile(r"(?:lua|tclsh|python)\d+(?:\.\d+)*\Z")
SHELLS = frozenset({"dash", "bash", "zsh", "ksh93u+m", "mksh"})
# Names of the script to run if there are several, best first.
_MAIN = ("main", "run", "start", "app", "entrypoint", "docker-entrypoint", "job", "cron", "server")
# Names of scripts that work on the project itself.
_TOOLS = re.compile(
    r"(?:build|compile|configure|autogen|bootstrap|install|uninstall|setup|test|tests|check|lint|format|release|deploy|"
    r"publish|clean|update|bump|make|ci|dev)(?:[-_.].*)?\Z",
    re.IGNORECASE,
)
# Files of other kinds of projects, and sources of compiled languages: the scripts beside them only serve them.
_OTHERS = re.compile(
    r"(?:.*/)?(?:package\.json|pyproject\.toml|setup\.py|requirements\.txt|go\.mod|Cargo\.toml|CMakeLists\.txt|meson\.build|"
    r"configure\.(?:ac|in)|[Mm]akefile[\w.]*|pom\.xml|build\.(?:xml|gradle(?:\.kts)?)|Gemfile|composer\.json|"
    r".*\.(?:c|cc|cpp|cxx|h|hh|hpp|m|java|kt|scala|rs|go|cs|fs|vb|sln|csproj|hs|ml|swift|zig|nim|d|f90|pas|adb|erl|ex))\Z"
)
_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*(?:/[A-Za-z0-9_][\w.+-]*)?\Z", re.ASCII)
_OWN = ("fpack.fp", "fpack.lock", ".gitignore")  # files of fpack itself, which are no part of the program


def scripts(project: Project) -> Guess | None:
    """Guess from the files at the top level, or in bin, that begin with `#!`."""
    known = {
        name: package for name, body in project.scripts.items() if _NAME.match(name) and (package := interpreter(body))
    }
    if all(map(is_tool, known)) or any(map(_OTHERS.match, project.files)):
        return None
    name = clean_name(None, project)
    main = _main(known, name)
    install = f'mkdir -p "$out/app" && cp -R . "$out/app" && chmod a+x "$out/app/{main}" && cd "$out/app"'
    fields = [("install", text(f"{install} && rm -f {' '.join(_OWN)}"))]
    others = sorted(known.keys() - {main})
    reasons = [
        f"{main}: a script that {known[main]} runs",
        f"the image runs {main}" + (f", and has {few(others)} too" if others else ""),
    ]
    packages = sorted({known[one] for one in known if one == main or one.startswith("bin/")})
    return Guess("package", name, None, fields, packages, [f"@/app/{main}"], (), reasons, image_packages=packages)


def interpreter(script: str) -> str:
    """Return the package of the interpreter in the first line of a script, or "" if it is not known."""
    words = script[2:].partition("\n")[0].split()
    program = words[0].rpartition("/")[2] if words else ""
    if program == "env":
        rest = (word for word in words[1:] if not word.startswith("-") and "=" not in word)
        program = next(rest, "").rpartition("/")[2]
    if program == "python":
        return "python3"
    return _INTERPRETERS.get(program) or (program.replace("tclsh", "tcl") if _VERSIONED.match(program) else "")


def _main(names: Mapping[str, str], project: str) -> str:
    """Return the script that the image runs: the one named as the project, or as programs are, or the first."""

    def rank(name: str) -> tuple[int, int, str]:
        stem = _stem(name)
        if stem == project:
            return 0, 0, name
        if stem in _MAIN:
            return 1, _MAIN.index(stem), name
        return (3 if is_tool(name) else 2), 0, name

    return min(names, key=rank)


def is_tool(name: str) -> bool:
    """Return whether a script works on the project itself, such as one that tests it."""
    return _TOOLS.match(_stem(name)) is not None


def _stem(name: str) -> str:
    return re.sub(r"\.\w+\Z", "", name.rpartition("/")[2])
