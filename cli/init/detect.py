"""Detect the kind of a project for `fpack init`, from its files. All functions are pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .go import go
from .guess import Guess
from .java import java
from .native import autotools, cmake, make, meson
from .others import node
from .php import php
from .project import Project
from .python import python
from .ruby import ruby
from .rust import rust

KINDS: Sequence[Callable[[Project], Guess | None]] = (
    python, node, go, rust, ruby, java, php, cmake, meson, autotools, make,
)  # fmt: skip


def guess(project: Project) -> Guess | None:
    """Return the guess of the first matching kind of project, or None."""
    for kind in KINDS:
        found = kind(project)
        if found is not None:
            return found
    return None


def others(project: Project, chosen: Guess) -> list[str]:
    """Return the reasons of the guesses for other kinds."""
    found = [other for kind in KINDS if (other := kind(project)) is not None]
    return [other.reasons[0] for other in found if other.call != chosen.call]
