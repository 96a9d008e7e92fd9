"""Define what a build system's files say: what the build needs, and which programs it installs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from fpack.builders.debian.contents.needs import BuildNeed


class BuildRequirement(NamedTuple):
    """A need of a build. needs: alternatives, of which one is enough. required: the build fails without it.

    where: the file and line that say so. quiet: if no package has it, nothing is said. anywhere: a header may be in a
    directory that an option of the compiler names.
    """

    needs: tuple[BuildNeed, ...]
    required: bool
    where: str
    quiet: bool = False
    anywhere: bool = False


class BuildFacts(NamedTuple):
    """The content of a build system's files. programs: those that are installed, in their order. libraries: True if it
    installs a library. known: the programs are all that the build installs. name, version: of the project, or None.
    sbin: the programs that are installed to sbin. test_scripts: the paths of files that the tests name."""

    wanted: Sequence[BuildRequirement] = ()
    programs: Sequence[str] = ()
    libraries: bool = False
    known: bool = False
    name: str | None = None
    version: str | None = None
    sbin: Collection[str] = ()
    test_scripts: Sequence[str] = ()


# A condition of a build system is true, false, or unknown (None).
Truth = bool | None


def both(a: Truth, b: Truth) -> Truth:
    """Return whether both conditions hold."""
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def either(a: Truth, b: Truth) -> Truth:
    """Return whether one of the conditions holds."""
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def negated(a: Truth) -> Truth:
    """Return whether a condition does not hold."""
    return None if a is None else not a


def line_of(text: str, at: int) -> int:
    """Return the number of the line of an offset."""
    return text.count("\n", 0, at) + 1


class Branches:
    """The conditions of nested `if`, `elseif` and `else` branches at a place of a file."""

    def __init__(self) -> None:
        # For each open `if`: the condition of the branch, and whether a branch before it was taken.
        self._open: list[tuple[Truth, Truth]] = []

    def begin(self, condition: Truth) -> None:
        """Enter the first branch of an `if`."""
        self._open.append((condition, condition))

    def otherwise(self, condition: Truth = True) -> None:
        """Enter the next branch: with a condition that of an `elseif`."""
        if self._open:
            _, taken = self._open[-1]
            self._open[-1] = (both(negated(taken), condition), either(taken, condition))

    def end(self) -> None:
        """Leave the `if`."""
        if self._open:
            self._open.pop()

    @property
    def holds(self) -> Truth:
        """True if all conditions hold."""
        found: Truth = True
        for condition, _ in self._open:
            found = both(found, condition)
        return found
