"""Detect the kind of a project for `fpack init`, from its files. All functions are pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .choice import choose
from .go import go
from .guess import Guess, clean_version
from .java import java
from .native import autotools, cmake, make, meson
from .node import node
from .php import php
from .project import Project
from .python import python
from .ruby import ruby
from .rust import rust
from .scripts import scripts
from .static import static

# The kind of a project that has the files of no other one.
LAST = "scripts"
# The kinds that `--kind` takes, each with its detector. Of kinds that are equally likely, the first is guessed.
KINDS: Mapping[str, Callable[[Project], Guess | None]] = {
    "python": python,
    "node": node,
    "go": go,
    "rust": rust,
    "ruby": ruby,
    "java": java,
    "php": php,
    "cmake": cmake,
    "meson": meson,
    "autotools": autotools,
    "make": make,
    "static": static,
    LAST: scripts,
}


def guess(project: Project, kind: str | None = None) -> Guess | None:
    """Return the guess of a kind, or of the kind that fits best, or None if the project has none of its files."""
    if kind is not None:
        return _versioned(KINDS[kind](project), project)
    found = _guesses(project)
    if not found:
        return _versioned(KINDS[LAST](project), project)
    chosen = choose(project, found)
    made = _versioned(found[chosen.name], project)
    if made is None or not chosen.why:
        return made
    return made._replace(reasons=[*made.reasons, f"{chosen.name} of {', '.join(found)}: {chosen.why}"])


def _versioned(made: Guess | None, project: Project) -> Guess | None:
    """Return a guess with the project's version if the build system's files have none."""
    if made is None or made.version is not None:
        return made
    return made._replace(version=clean_version(project.version))


def others(project: Project, chosen: Guess) -> list[str]:
    """Return the reasons of the guesses for other kinds."""
    return [other.reasons[0] for other in _guesses(project).values() if other.call != chosen.call]


def _guesses(project: Project) -> dict[str, Guess]:
    """Return the guess of each kind but the last. A page beside a program that runs is taken for a part of that."""
    found = {name: made for name, detect in KINDS.items() if name != LAST and (made := detect(project)) is not None}
    if any(made.entrypoint or made.image_call for name, made in found.items() if name != "static"):
        found.pop("static", None)
    return found
