"""Read a Makefile.in that is written by hand, beside a configure without automake. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...guess import Guess, text
from ..programs import main_program
from ..staged import STAGED_COMMANDS, staged
from .make_install import installed_programs

# Perl's MakeMaker installs modules to a directory of the system, unless it is told another one.
_MAKE_MAKER = re.compile(r"^\t[^\n]{0,200}\bMakefile\.PL\b(?![^\n]{0,200}\b(?:INSTALL_BASE|PREFIX|LIB)=)", re.MULTILINE)


def with_makefile_in(guess: Guess, texts: Mapping[str, str]) -> Guess:
    """Return a guess with what the Makefile.in of a project installs, and how. texts: of the build files."""
    makefile = texts.get("Makefile.in", "")
    if guess.call != "autotools" or "Makefile.am" in texts or not makefile:
        return guess
    if _MAKE_MAKER.search(makefile) and "DESTDIR" in makefile:
        reasons = [*guess.reasons, "Makefile.in: its modules of Perl are installed below DESTDIR"]
        fields = [*guess.fields, ("install", text(staged(STAGED_COMMANDS["autotools"])))]
        guess = guess._replace(fields=fields, reasons=reasons)
    folder, programs = installed_programs(re.sub(r"^#.*\n", "", makefile, flags=re.MULTILINE))
    own = rf"^[^#\n]*(?<![\w.-]){re.escape(guess.name)}(?![\w.-])"
    if not programs or guess.library or re.search(own, makefile, re.MULTILINE):
        return guess  # a program may have the project's name
    program = main_program(sorted(programs), guess.name)
    reasons = [line for line in guess.reasons if not line.startswith("the image runs ")]
    return guess._replace(entrypoint=[f"@/{folder}/{program}"], reasons=[*reasons, f"the image runs {program}"])
