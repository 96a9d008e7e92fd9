"""Find the Makefile of a project that has none at its top, and the target for this system where it has one for each.

All functions are pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...project import Project

# Targets of systems, best first: one that finds out by itself, or this system's.
_SYSTEMS = ("generic", "linux", "linux-gnu", "gnu", "unix", "posix", "gcc")
_COMMAND = re.compile(
    r"(?<![\w-])g?make[ \t\n]+(?:-f[ \t\n]*(?P<file>[\w./-]+)|-C[ \t\n]*(?P<folder>[\w./-]+))?[ \t\n]*"
    r"(?P<target>(?!g?make\b)[\w.-]+)?"
)
_RULE = re.compile(r"^([A-Za-z][\w.-]*)[ \t]*:(?![:=])[ \t]*([^\n]*)\n((?:\t[^\n]*(?:\n|\Z))*)", re.MULTILINE)
_SAYS = re.compile(r"\t[ \t]*@?[ \t]*(?:echo|printf|cat|:|true|false|exit)\b")
_OTHERS = re.compile(r"(?:tests?|examples?|docs?|contrib|debian|win\w*|dos|msdos|mac\w*|vms|os2|samples?|demos?)\Z")


class FoundMakefile(NamedTuple):
    """A Makefile. path: relative. words: of each make, which reads it. target: to build, or "" for the default one."""

    path: str
    words: tuple[str, ...] = ()
    target: str = ""


def find_makefile(project: Project) -> FoundMakefile | None:
    """Return the project's Makefile: the one at its top, the one that its README reads, or the only one below."""
    top = project.has("GNUmakefile", "makefile", "Makefile")
    if top is not None:
        return FoundMakefile(top, (), _target(project, project.text(top)))
    for command in _COMMAND.finditer(_readme(project)):
        if command["file"] and project.text(command["file"]):
            path = command["file"]
            return FoundMakefile(path, ("-f", path), _target(project, project.text(path)))
        folder = (command["folder"] or "").removeprefix("./").rstrip("/")
        path = project.has(*(f"{folder}/{name}" for name in ("GNUmakefile", "makefile", "Makefile")))
        if folder and path is not None and not _OTHERS.match(folder.rpartition("/")[2].lower()):
            return FoundMakefile(path, ("-C", folder), _target(project, project.text(path)))
    below = [path for path in project.files if re.fullmatch(r"[\w.+-]+/(?:GNUm|[mM])akefile", path)]
    folders = {path.rpartition("/")[0] for path in below}
    folders = {folder for folder in folders if not _OTHERS.match(folder.lower())}
    if len(folders) != 1 or len(below) != 1:
        return None
    (path,) = below
    return FoundMakefile(path, ("-C", path.rpartition("/")[0]), _target(project, project.text(path)))


def _target(project: Project, makefile: str) -> str:
    """Return the target to build if the default one only says which systems there are, else ""."""
    text = re.sub(r"\\\n", " ", makefile)
    rules = {name: (needs.partition("#")[0].split(), recipe) for name, needs, recipe in _RULE.findall(text)}
    first = next((name for name in rules if not name.startswith(".")), None)
    if first is None:
        return ""
    needs, recipe = rules[first]
    lines = recipe.splitlines()
    if needs or not lines or not all(_SAYS.match(line) for line in lines):
        return ""
    named = [found["target"] for found in _COMMAND.finditer(_readme(project)) if found["target"] in rules]
    return next((name for name in _SYSTEMS if name in named), next((name for name in _SYSTEMS if name in rules), ""))


def _readme(project: Project) -> str:
    names = [name for name in project.files if re.match(r"(README|INSTALL)(\.\w+)?\Z", name, re.IGNORECASE)]
    return "\n\n".join(project.text(name)[:200_000] for name in sorted(names))
