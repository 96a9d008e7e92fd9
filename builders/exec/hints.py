"""Suggest a remedy for a failed build from its log, where that names a missing file, program or package."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.contents.needs import CMAKE, HEADER, LIBRARY, PC, PROGRAM, PYTHON, SONAME, BuildNeed

from .failed_tests import failed_tests
from .messages import MissingThing, find_missing

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder

_MOST = 3  # packages of a hint
_OPTIONS: Mapping[str, str] = {
    PC: "--pc", CMAKE: "--cmake", HEADER: "--header", LIBRARY: "--lib", PROGRAM: "--program", PYTHON: "--file",
    SONAME: "--file",
}  # fmt: skip


class Remedy(NamedTuple):
    """A need that a build lacks, and the packages that have it, best first.

    need: of the alternatives, the one that they meet. release: of the packages.
    """

    missing: MissingThing
    need: BuildNeed
    packages: tuple[str, ...]
    release: str = ""


def remedies(text: str, finder: Callable[[], NeedFinder | None]) -> list[Remedy]:
    """Return what a log says is missing with the packages that have it. finder: opened if anything is missing."""
    found = [missing for missing in find_missing(text) if missing.needs]
    opened = finder() if found else None
    return [_remedy(missing, opened) for missing in found]


def advice(last: str, files: Callable[[], NeedFinder | None] = lambda: None) -> str:
    """Return a hint for the first missing thing in the lines of a log, or "" if no known message is there.

    files: opens the finder of packages, if there is one at hand.
    """
    found = find_missing(last)
    if not found:
        return ""
    first = found[0]
    if not first.needs:
        return first.advice
    opened = files()
    if opened is None:
        return _unknown(first)
    remedy = _remedy(first, opened)
    if not remedy.packages:
        need = first.needs[0]
        return (
            f"no package of {opened.release} has {need}; if it is no file of the project, try fpack search "
            f"{shlex.quote(_word(need.name))}"
        )
    names = " or ".join(remedy.packages[:_MOST])
    also = _others(found[1:], opened, {*remedy.packages})
    return (
        f"unless the project has {first.name} itself, add {names} of {opened.release} to `{remedy.need.field}`"
        f"{also}; fpack fix does so"
    )


def advice_for_tests(log: str) -> str:
    """Return a hint for tests that failed."""
    names = failed_tests(log)
    if not names:
        return (
            "`check = null` leaves out the project's own tests, if they cannot run in a sandbox or are older than the "
            "tools; fpack fix --no-check sets it"
        )
    what = f"{'the test' if len(names) == 1 else 'the tests'} {', '.join(names)} failed"
    return f"{what}: `check = null` leaves out all tests, if they cannot run in a sandbox; fpack fix --no-check sets it"


def _others(missing: Sequence[MissingThing], finder: NeedFinder, told: set[str]) -> str:
    """Return the packages for the further things that a log says are missing."""
    more: dict[str, str] = {}
    for item in missing:
        remedy = _remedy(item, finder) if item.needs else None
        if remedy and remedy.packages and not told.intersection(remedy.packages):
            more.setdefault(remedy.packages[0], item.name)
    return "".join(f", {package} for {name}" for package, name in list(more.items())[:_MOST])


def _remedy(missing: MissingThing, finder: NeedFinder | None) -> Remedy:
    if finder is not None:
        for need in missing.needs:
            found = finder.find(need)
            if found.packages:
                return Remedy(missing, need, found.packages, finder.release)
    return Remedy(missing, missing.needs[0], ())


def _unknown(missing: MissingThing) -> str:
    """Return the hint without an index of files: the command that finds the package."""
    need = missing.needs[0]
    option = _OPTIONS.get(need.kind)
    start = f"unless the project has {missing.name} itself, add the package that has it to `{need.field}`"
    return f"{start}: fpack search {option} {shlex.quote(need.name)}" if option else f"{start}: {need.name}"


def _word(name: str) -> str:
    """Return the word to search for: the directory of a header, or a name without its suffix."""
    first = name.partition("/")[0]
    for suffix in (".hpp", ".hh", ".h", ".pc"):
        first = first.removesuffix(suffix)
    return first.lower()
