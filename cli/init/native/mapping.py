"""Choose Debian's packages for what a build needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.contents.needs import HEADER, LIBRARY, PACKAGE, BuildNeed

from .wanted import BuildRequirement

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import FoundPackages, NeedFinder

# The directories in which a compiler finds a header without options.
_DIRECT = re.compile(r"/usr/include(?:/[\w.]+-linux-gnu\w*)?/")


class ChosenPackage(NamedTuple):
    """A package for the needs of a build. field: the argument that takes it. why: the needs, with their places."""

    name: str
    field: str
    why: tuple[str, ...]


class PackageChoice(NamedTuple):
    """The packages of a build. optional: those without which it works. unknown: needs without a package. old: sentences
    about packages that are older than the build asks for."""

    packages: Sequence[ChosenPackage]
    optional: Sequence[ChosenPackage]
    unknown: Sequence[BuildRequirement]
    old: Sequence[str]


def choose(wanted: Sequence[BuildRequirement], finder: NeedFinder, present: Collection[str] = ()) -> PackageChoice:
    """Choose the packages of needs. present: packages that the build has anyway.

    A need that a present package meets adds none. Required needs come first, so that their packages can meet optional
    ones.
    """
    made: dict[str, tuple[BuildNeed, list[str], bool]] = {}
    unknown: list[BuildRequirement] = []
    old: list[str] = []
    have = set(present)
    headers = [w for w in wanted if w.needs[0].kind == HEADER]
    others = [w for w in wanted if w.needs[0].kind != HEADER]
    met_by = [(item, _first(item, finder, have)) for item in [*others, *headers]]
    named = _named(met_by, finder)
    # Needs with one package come first: of several packages, one that is chosen anyway is taken.
    for item, found in sorted(
        met_by, key=lambda pair: (not pair[0].required, pair[1] is None or len(pair[1].packages) > 1)
    ):
        if found is None:
            if item.required and item.needs[0].kind != HEADER and not item.quiet:
                unknown.append(item)
            continue
        best = next((name for name in found.packages if name in made or name in have), found.best)
        if best is None or best in have:
            continue
        if found.need.kind == HEADER and not (item.required and (_is_direct(found) or best in named)):
            continue  # an option names its directory, and what gives the option needs the package
        why = f"{item.where}: {_short(found.need)}"
        if best not in made:
            made[best] = (found.need, [why], item.required)
        elif why not in made[best][1]:
            made[best][1].append(why)
        if item.required and found.too_old:
            old.append(f"{item.where} asks for {found.need}, and {best} of {finder.release} is {found.too_old}")
    met = {why.partition(": ")[0] for _, reasons, _ in made.values() for why in reasons}
    unknown = [item for item in unknown if item.where not in met]  # alternatives in one line
    packages = [(_field(name, need), name, tuple(why), required) for name, (need, why, required) in made.items()]
    chosen = [ChosenPackage(name, field, why) for field, name, why, required in sorted(packages) if required]
    optional = [ChosenPackage(name, field, why) for field, name, why, required in sorted(packages) if not required]
    return PackageChoice(chosen, optional, unknown, old)


def _first(item: BuildRequirement, finder: NeedFinder, have: Collection[str]) -> FoundPackages | None:
    """Return what meets the first of alternatives that a package meets: one that the build has, if there is one."""
    found = [met for need in item.needs if (met := finder.find(need)).packages]
    return next((met for met in found if met.best in have), found[0] if found else None)


def _named(met_by: Sequence[tuple[BuildRequirement, FoundPackages | None]], finder: NeedFinder) -> frozenset[str]:
    """Return the packages of headers in directories of their own: no other package has these headers, which are more
    than one. Those of Python are left out.
    """
    only = Counter(
        found.packages[0]
        for item, found in met_by
        if item.anywhere and found and len(found.packages) == 1
        if not any(entry.path.startswith("/usr/include/python3") for entry in finder.files(found.need))
    )
    return frozenset(name for name, count in only.items() if count > 1)


def _is_direct(found: FoundPackages) -> bool:
    """Return whether a compiler finds a header without an option that names its directory."""
    where = _DIRECT.match(found.file)
    return found.file == "" or (where is not None and found.file[where.end() :] == found.need.name)


def _field(name: str, need: BuildNeed) -> str:
    if need.kind == PACKAGE or need.kind == LIBRARY:
        return "libs" if name.endswith(("-dev", "-compat")) else "tools"
    return need.field


def _short(need: BuildNeed) -> str:
    """Return a need as the project's file says it."""
    return f"<{need.name}>" if need.kind == HEADER else f"-l{need.name}" if need.kind == LIBRARY else need.name
