"""Open the index of files and the packages of a release, to find the packages that meet needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError

from .package_lookup import Packages

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder, PackageTraits
    from fpack.builders.debian.contents.index import ContentsIndex, FileEntry
    from fpack.builders.debian.contents.needs import BuildNeed


class ReleaseTable:
    """The packages of a release, for a NeedFinder."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._known: dict[str, PackageTraits | None] = {}

    def facts(self, name: str) -> PackageTraits | None:
        """Return the facts of a package, or None if the release has no package of this name."""
        if name not in self._known:
            self._known[name] = self._facts(name)
        return self._known[name]

    def _facts(self, name: str) -> PackageTraits | None:
        from fpack.builders.debian.contents.finder import PackageTraits

        found = self._packages.universe.versions(name)
        if not found:
            return None
        package = found[0]
        depends = frozenset(relation.name for clause in package.depends for relation in clause)
        return PackageTraits(package.version, package.description, depends)


def parse_needs(option: str, text: str) -> list[BuildNeed]:
    """Return the needs that an option of `fpack search` names: pc, lib, program, header or cmake.

    Raise UsageError for a text that is no name.
    """
    from fpack.builders.debian.contents import needs
    from fpack.builders.debian.contents.cmake_modules import cmake_needs
    from fpack.cli.errors import UsageError

    name, least = text.strip(), ""
    if option == "pc":
        found = re.fullmatch(r"([^\s<>=]+)\s*(?:(?:>=|=)\s*([\d][\w.+~]*))?", name)
        name, least = (found[1], found[2] or "") if found else ("", "")
    if not re.fullmatch(r"[\w.+@/-]+", name) or not name.strip("/."):
        raise UsageError(
            f"--{option} {text!r} is not a name", hint=f"give one name, as in: fpack search --{option} zlib"
        )
    if option == "cmake":
        return cmake_needs(name) or [needs.BuildNeed(needs.PACKAGE, "cmake")]
    if option == "lib":
        name = re.sub(r"^-l|^lib(?=.+\.(?:so|a)$)|\.(?:so|a)$", "", name)
    if option == "header":
        name = name.removeprefix("/usr/include/")
    kinds = {"pc": needs.PC, "lib": needs.LIBRARY, "program": needs.PROGRAM, "header": needs.HEADER}
    return [needs.BuildNeed(kinds[option], name.removesuffix(".pc") if option == "pc" else name, least)]


def open_finder(packages: Packages) -> NeedFinder:
    """Return the finder of a release. Indexes are fetched if the cache has none.

    If the release's index of files is unavailable, that of the nearest release of its distribution is used. Only
    packages that the release itself has count: a difference between the releases leaves out packages, and adds none.
    """
    from fpack.builders.debian.contents.finder import NeedFinder

    return NeedFinder(_contents(packages)[0], ReleaseTable(packages), packages.release)


def cached_finder(packages: Packages) -> NeedFinder | None:
    """Return the finder of a release if the cache has what it needs, or None."""
    from fpack.builders.debian.contents.finder import NeedFinder

    index = packages.cached_contents()
    if index is None:
        for release in _neighbours(packages.release):
            index = packages.of(release).cached_contents()
            if index is not None:
                break
    return None if index is None else NeedFinder(index, ReleaseTable(packages), packages.release)


def files_of(packages: Packages, text: str) -> tuple[list[FileEntry], float]:
    """Return the files of the release's packages that `text` means, and the date of the index that lists them."""
    from fpack.builders.debian.contents.index import FileEntry

    from .file_lookup import find_files

    index, release = _contents(packages)
    found = find_files(index, text)
    if release == packages.release:
        return found, index.date
    own = ReleaseTable(packages)
    left = [FileEntry(entry.path, tuple(name for name in entry.packages if own.facts(name))) for entry in found]
    return [entry for entry in left if entry.packages], index.date


def _contents(packages: Packages) -> tuple[ContentsIndex, str]:
    """Return the index of files of a release, or of the nearest release that has one, and that release."""
    from fpack.builders.debian.indexes.download import IndexGone
    from fpack.cli.ui.render import note

    try:
        return packages.contents, packages.release
    except IndexGone as error:
        for release in _neighbours(packages.release):
            try:
                index = packages.of(release).contents
            except FpackError:
                continue
            note(
                f"the index of files of {packages.release} is not available now: its packages are found by that of "
                f"{release}"
            )
            return index, release
        raise error from None


def _neighbours(release: str) -> list[str]:
    """Return the other releases of a distribution, the nearest first; of two as near, the older one."""
    from fpack.builders.debian.suites import OF_DISTRIBUTION

    names = next((list(releases) for releases in OF_DISTRIBUTION.values() if release in releases), [])
    if release not in names:
        return []
    own = names.index(release)
    others = [name for name in names if name != release]
    return sorted(others, key=lambda name: (abs(names.index(name) - own), names.index(name)))
