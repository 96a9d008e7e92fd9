"""Find the packages of libraries that ready-made ones load from the system, such as those in wheels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.cli.init.native.complete import closure

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.workspace import Workspace

_SHOWN = 8  # packages that a message names
_CALL = re.compile(r"\b(?:python|node)\s*\{")
LOADING = ("python", "node")  # the functions that build packages with ready-made libraries


class LackingLibrary(NamedTuple):
    """A library that a package's files load and that its build lacks. file: the one that loads it, relative."""

    soname: str
    file: str
    package: str
    release: str


def lacking_packages(
    workspace: Workspace, value: Any, built: Path, find: Callable[[Packages], NeedFinder | None]
) -> Iterator[LackingLibrary]:
    """Yield the libraries that the files of a built package load and that its build lacks, each package once.

    value: the package. find: returns the finder of a release, or None if nothing is to be looked up.
    """
    from fpack.builders.debian.contents.needs import SONAME, BuildNeed
    from fpack.builders.machines import elf_machine
    from fpack.cli.init.introspection.loaded_libraries import lacking_sonames
    from fpack.cli.workspace.package_lookup import Packages

    lacking = lacking_sonames(built, elf_machine(workspace.arch))
    if not lacking:
        return
    packages = Packages(workspace, str(workspace.field(value, "release") or "") or None)
    finder = find(packages)
    if finder is None:
        return
    present = present_packages(workspace, value, packages)
    for soname, file in lacking.items():
        found = finder.find(BuildNeed(SONAME, soname)).packages
        if found and present.isdisjoint(found):
            yield LackingLibrary(soname, file, found[0], packages.release)
            present |= closure(packages, [found[0]])


def present_packages(workspace: Workspace, value: Any, packages: Packages) -> frozenset[str]:
    """Return the names of the packages that the build of a package has."""
    listed = workspace.field(value, "debian-packages") or []
    names = [str(workspace.field(workspace.evaluator.force(item), "name")) for item in listed]
    return closure(packages, names) if names else frozenset()


def tell_lacking(workspace: Workspace, attribute: str, text: str, value: Any, built: Path) -> None:
    """Say which libraries a package that was just built lacks, and the line that adds them. Nothing is fetched.

    attribute, text: the field of a project's file that is the package, and the file's text.
    """
    if not _CALL.search(text):
        return
    from fpack.cli.init.edits import ProjectText
    from fpack.cli.ui.render import note
    from fpack.cli.workspace.needs import cached_finder

    calls = ProjectText(text).calls()
    if not any(call.attribute == attribute and call.function in LOADING for call in calls):
        return
    known = list(lacking_packages(workspace, value, built, cached_finder))
    names = list(dict.fromkeys(f"debian.{lacking.package}" for lacking in known))[:_SHOWN]
    if names:
        first = f"{known[0].soname}, which {known[0].file.rpartition('/')[2]} loads"
        note(f"to do: add {', '.join(names)} to `libs`, as fpack fix does: the build has no {first}")
