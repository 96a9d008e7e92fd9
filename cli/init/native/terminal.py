"""Know the programs that draw on a terminal: without the variable TERM some of them do not even say their version.

Container engines set it in a run with a terminal, and not in others. The libraries find what TERM names in the files of
a package that nothing depends on, as every system of Debian has it. All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..guess import Guess

TERM = "xterm"  # as engines set it for a run with a terminal
DESCRIPTIONS = "ncurses-base"  # the package that describes terminals
_PACKAGES = frozenset(
    {"libncurses-dev", "libncurses5-dev", "libncursesw5-dev", "libnotcurses-dev", "libslang2-dev"}
)  # fmt: skip
# Calls of Python's module, and packages of PyPI that need it.
_CURSES = re.compile(r"^[^#\n]*\bcurses\.(?:setupterm|initscr|wrapper)\s*\(", re.MULTILINE)
_PYTHON = frozenset({"asciimatics", "blessed", "blessings", "npyscreen"})
_SONAME = re.compile(r"lib(?:ncursesw?|notcurses|slang|tinfo)\.so\.\d+\Z")


def draws(sonames: Collection[str]) -> str:
    """Return the library by which a program that loads these sonames draws on a terminal, or ""."""
    return next((name for name in sorted(sonames) if _SONAME.match(name)), "")


def with_terminal(guess: Guess, libs: Collection[str]) -> Guess:
    """Return a guess whose image names a terminal, if one of the build's libraries draws on one."""
    found = next((name for name in sorted(libs) if name in _PACKAGES), None)
    return guess if found is None or guess.library else _named(guess, found)


def with_terminal_of_python(guess: Guess, texts: Mapping[str, str]) -> Guess:
    """Return a guess whose image names a terminal, if code of Python draws on one. texts: of modules, by path."""
    if guess.library or not guess.entrypoint:
        return guess
    found = next((path for path, text in sorted(texts.items()) if "curses" in text and _CURSES.search(text)), None)
    found = found or next((f"the package {name}" for name in sorted(guess.uses) if name in _PYTHON), None)
    return guess if found is None else _named(guess, found)


def _named(guess: Guess, found: str) -> Guess:
    reasons = [*guess.reasons, f"{found} draws on a terminal, so the image has {DESCRIPTIONS} and TERM={TERM}"]
    return guess._replace(
        image_env=[*guess.image_env, ("TERM", TERM)],
        image_packages=[*guess.image_packages, DESCRIPTIONS],
        reasons=reasons,
    )
