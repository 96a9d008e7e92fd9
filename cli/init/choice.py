"""Choose among the kinds of a project that has the files of several build systems. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .guess import Guess, record, strings
from .node.frameworks import find_framework
from .project import Project
from .readme import mentioned

_GENERATES = re.compile(r"autogen|autoreconf|bootstrap")  # how a README says that configure is made first


class ChosenKind(NamedTuple):
    """The kind that was chosen, and why: a sentence, empty if there was nothing to choose."""

    name: str
    why: str = ""


def choose(project: Project, guesses: Mapping[str, Guess]) -> ChosenKind:
    """Choose a kind. guesses: of each kind that has its files, the first of equals first; not empty.

    The kinds whose files describe something to install count, else all. Among these the first that the README's
    commands use wins.
    """
    names = list(guesses)
    if len(names) == 1:
        return ChosenKind(names[0])
    installable = [name for name in names if _INSTALLABLE.get(name, _always)(project)]
    readme = _readme(project)
    order = [kind for kind in mentioned(readme, guesses[names[0]].name) if kind in (installable or names)]
    if "autotools" in order and not project.has("configure") and not _GENERATES.search(readme):
        order.remove("autotools")  # INSTALL often is that of all projects with configure, which this one lacks
    if not installable and "python" in names and not any(name.endswith(".py") for name in project.files):
        names.remove("python")  # its requirements are those of a tool, such as one that writes the documentation
        order = [kind for kind in order if kind != "python"]
        if len(names) == 1:
            return ChosenKind(names[0], "there is no Python code")
    if len(installable) == 1:
        return ChosenKind(installable[0], f"only the files of {installable[0]} say what is installed")
    if order:
        return ChosenKind(order[0], f"the README's commands are of {order[0]}")
    return ChosenKind((installable or names)[0], "the README does not say which; --kind chooses")


def _readme(project: Project) -> str:
    """Return the text of the README and INSTALL files, the README first."""
    names = [name for name in project.files if re.match(r"(README|INSTALL)(\.\w+)?\Z", name, re.IGNORECASE)]
    return "\n\n".join(project.text(name) for name in sorted(names, reverse=True))


def _python(project: Project) -> bool:
    """Return whether Python files describe a distribution or an application, not only the settings of tools."""
    data = project.toml("pyproject.toml")
    if record(data.get("project")) or record(record(data.get("tool")).get("poetry")):
        return not _is_crate(project, data)
    if project.has("setup.py", "manage.py") or "[metadata]" in project.text("setup.cfg"):
        return True
    has_lock = project.has("requirements.txt", "pylock.toml", "Pipfile.lock", "uv.lock", "poetry.lock") is not None
    return has_lock and any(name.endswith(".py") and "/" not in name for name in project.files)


def _is_crate(project: Project, data: Mapping[str, object]) -> bool:
    """Return whether a distribution only carries the program of a crate, without a Python module."""
    requires = " ".join(strings(record(data.get("build-system")).get("requires")))
    return "maturin" in requires and bool(project.text("Cargo.toml")) and "pyo3" not in project.text("Cargo.toml")


def _node(project: Project) -> bool:
    """Return whether package.json describes a package or a server, not only tools or a part of another project."""
    data = project.json("package.json")
    if data.get("private") is True:
        has_start = isinstance(record(data.get("scripts")).get("start"), str)
        return has_start or "bin" in data or find_framework(project, data) is not None
    return bool(data.keys() & {"bin", "main", "exports", "module", "browser", "files"}) or bool(
        record(data.get("scripts")).keys() & {"start", "build"}
    )


def _ruby(project: Project) -> bool:
    """Return whether there is a gem or a Rack application; a Gemfile alone often has the tools of a site."""
    return any(name == "config.ru" or (name.endswith(".gemspec") and "/" not in name) for name in project.files)


def _rust(project: Project) -> bool:
    data = project.toml("Cargo.toml")
    return bool(record(data.get("package")) or record(data.get("workspace")))


def _never(project: Project) -> bool:
    """A Makefile often only calls the other build system; a page may belong to the documentation."""
    return False


def _always(project: Project) -> bool:
    return True


_INSTALLABLE: Mapping[str, Callable[[Project], bool]] = {
    "python": _python, "node": _node, "ruby": _ruby, "rust": _rust, "make": _never, "static": _never,
}  # fmt: skip
