"""Choose the Debian package that meets a need, from the index of files and what is known of the packages.

The choice is a function of the index and the packages: it does not depend on the order of the needs or of the index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple, Protocol

from ..version import version_key
from .index import ContentsIndex, FileEntry
from .needs import HEADER, LIBS, PACKAGE, PROGRAM, BuildNeed, Place, known_package, named_packages, of_compiler, places

_TRANSITIONAL = re.compile(r"\b(?:transitional|dummy) (?:dummy )?package\b|\(transitional|\(dummy", re.IGNORECASE)
# Packages that other packages are usually built with, of several that have the same files.
_USUAL = frozenset({
    "libcurl4-openssl-dev", "libssl-dev", "libsdl2-dev", "libncurses-dev", "libpq-dev", "libopenmpi-dev",
    "libblas-dev", "liblapack-dev", "libgl-dev", "libfuse3-dev", "libreadline-dev", "libpulse-dev",
    "libjack-jackd2-dev", "libelf-dev", "libmariadb-dev", "libboost-dev", "default-jdk-headless", "bison", "flex",
    "gawk", "libltdl-dev", "libhdf5-dev",
})  # fmt: skip
_LIMIT = 2000  # files of one name that are looked at


class PackageTraits(NamedTuple):
    """The facts of a package that decide the choice. depends: the names in its dependencies, alternatives included."""

    version: str
    description: str = ""
    depends: frozenset[str] = frozenset()


class PackageTable(Protocol):
    """The packages of a release."""

    def facts(self, name: str) -> PackageTraits | None:
        """Return the facts of a package, or None if the release has no package of this name."""


class FoundPackages(NamedTuple):
    """The packages that meet a need, best first; none if no package does. file: the file that the first one has."""

    need: BuildNeed
    packages: tuple[str, ...]
    file: str = ""
    too_old: str = ""  # the version that the release has, if the need asks for a later one

    @property
    def best(self) -> str | None:
        return self.packages[0] if self.packages else None


class NeedFinder:
    """Finds the packages that meet needs.

    index: the index of files, perhaps of another release if `release` has none. release: whose packages are used.
    table: its packages; None: each package that the index names counts as one of the release.
    """

    def __init__(self, index: ContentsIndex, table: PackageTable | None = None, release: str = "") -> None:
        self.release = release or index.release
        self._index = index
        self._table = table

    def find(self, need: BuildNeed) -> FoundPackages:
        """Return the packages that meet a need."""
        known = known_package(need)
        if known is not None and self._exists(known):
            return FoundPackages(need, (known,))
        if need.kind == PACKAGE:
            return FoundPackages(need, (need.name,) if self._exists(need.name) else ())
        if need.kind == HEADER and (compiler := self._compiler(need)):
            return FoundPackages(need, (compiler,))
        for place in places(need):
            entries = [e for e in self._entries(place) if self._existing(e.packages)]
            if not entries:
                continue
            least = min(_depth(entry.path) for entry in entries)
            nearest = [entry for entry in entries if _depth(entry.path) == least]
            return self._ranked(need, nearest)
        # The rules for names only say what a package could be called.
        named = [name for name in named_packages(need) if self._table is not None and self._exists(name)]
        return FoundPackages(need, tuple(named[:1]))

    def soname(self, library: str) -> str | None:
        """Return the newest soname of a library, such as libz.so.1 for `z`, that a package of the release has."""
        pattern = re.compile(rf"usr/lib(?:/[\w.]+-linux-gnu\w*)?/lib{re.escape(library)}\.so((?:\.\d{{1,9}}){{1,2}})")
        found = [
            (-match[1].count("."), _numbers(match[1]), f"lib{library}.so{match[1]}")
            for entry in self._index.matching(lambda path: pattern.fullmatch(path) is not None, f"lib{library}.so.")
            if (match := pattern.fullmatch(entry.path.lstrip("/"))) and self._existing(entry.packages)
        ]
        return max(found)[2] if found else None

    def files(self, need: BuildNeed) -> list[FileEntry]:
        """Return the files that meet a need, those of the best package first."""
        found: dict[str, FileEntry] = {}
        for place in places(need):
            found.update((entry.path, entry) for entry in self._entries(place))
        best = self.find(need).best
        return sorted(found.values(), key=lambda entry: (best not in entry.packages, _depth(entry.path), entry.path))

    def _compiler(self, need: BuildNeed) -> str | None:
        """Return the package of a compiler whose own header meets the need, unless the C library has it too."""
        found = self._index.named(need.name, _LIMIT)
        if any("libc6-dev" in entry.packages for entry in found):
            return None
        own = [package for entry in found if (package := of_compiler(entry.path)) and _is_direct(entry.path, need.name)]
        return min(own, default=None)

    def _entries(self, place: Place) -> list[FileEntry]:
        if place.file.startswith("/"):
            packages = self._index.at(place.file)
            return [FileEntry(place.file, packages)] if packages else []
        found = self._index.named(place.file, _LIMIT)
        if place.below is None:
            return found
        return [entry for entry in found if place.below.match(entry.path.rpartition("/")[0])]

    def _ranked(self, need: BuildNeed, entries: Sequence[FileEntry]) -> FoundPackages:
        names = sorted({name for entry in entries for name in self._existing(entry.packages)})
        facts = {name: self._facts(name) for name in names}
        new_enough = [name for name in names if not _is_older(facts[name].version, need.least)]
        too_old = "" if new_enough or not need.least else _upstream(facts[names[0]].version)
        candidates = new_enough or names

        def rank(name: str) -> tuple[object, ...]:
            # The lowest goes first: no transitional package, a -dev package, a usual one, a similar name. Of packages
            # of which one depends on the other, the one that is depended on has the file itself. Finally, the highest
            # version in the name, then the shortest name.
            depended = sum(name in facts[other].depends for other in candidates if other != name)
            depends = sum(other in facts[name].depends for other in candidates if other != name)
            return (
                bool(_TRANSITIONAL.search(facts[name].description)),
                need.field == LIBS and not name.endswith("-dev"),
                name not in _USUAL,
                round(-_similarity(name, need), 3),
                depends - depended,
                [-number for number in _numbers(name)],
                len(name),
                name,
            )

        ordered = sorted(candidates, key=rank)
        file = next((e.path for e in entries if ordered[0] in e.packages), entries[0].path)
        return FoundPackages(need, tuple(ordered), file, too_old)

    def _existing(self, names: Sequence[str]) -> list[str]:
        """Return the packages of the release among those of the index, which may be another release's.

        If the release has none of the names, names without their versions are tried, such as libboost-dev for
        libboost1.74-dev, and names with t64 at the end, which Debian gave to libraries when it made time_t 64 bits
        wide.
        """
        found = [name for name in names if self._exists(name)]
        if found or self._table is None:
            return found
        plain = [re.sub(r"\d+(?:\.\d+)+", "", name) for name in names] + [f"{name}t64" for name in names]
        return list(dict.fromkeys(name for name in plain if self._exists(name)))

    def _exists(self, name: str) -> bool:
        return self._table is None or self._table.facts(name) is not None

    def _facts(self, name: str) -> PackageTraits:
        found = self._table.facts(name) if self._table is not None else None
        return found or PackageTraits("")


def _depth(path: str) -> int:
    """Count the directories of a path, except the one of an architecture, as in /usr/lib/x86_64-linux-gnu."""
    return sum("-linux-gnu" not in part for part in path.split("/"))


def _is_direct(path: str, name: str) -> bool:
    """Return whether a compiler's header is in one of its directories, and not below one."""
    return re.fullmatch(r"/usr/(?:lib/gcc/[^/]+/\d+/include|include/c\+\+/\d+)/", path[: -len(name)]) is not None


def _similarity(package: str, need: BuildNeed) -> float:
    """Return how near a package's name is to a need's: 1 if they are the same word, 0 if nothing is in common."""
    own = _word(package)
    name = need.name.rpartition("/")[2] if need.kind == PROGRAM else need.name
    if need.kind == HEADER:
        words = [_word(part.rpartition(".")[0] or part) for part in name.split("/")]
    else:
        words = [_word(name)]
    return max((1.0 if word == own else SequenceMatcher(None, own, word).ratio() * 0.9) for word in words)


def _word(name: str) -> str:
    """Return a name without what packages add to it: `lib`, `-dev`, versions."""
    name = re.sub(r"^lib(?=.)|(?:-dev|-bin|-tools|-utils)$", "", name.lower())
    return re.sub(r"[-_.+]|\d+(?:\.\d+)*[a-z]?$", "", name) or name


def _numbers(name: str) -> list[int]:
    """Return the numbers in a name, of at most nine digits each, to compare names by their versions."""
    return [int(digits[:9]) for digits in re.findall(r"\d+", name)]


def _upstream(version: str) -> str:
    """Return a Debian version without epoch and revision: 1.2 for 1:1.2-3."""
    return version.rpartition(":")[2].rpartition("-")[0] or version.rpartition(":")[2]


def _is_older(version: str, least: str) -> bool:
    """Return whether a package's version is less than the least one. An unknown version is not."""
    if not version or not re.fullmatch(r"\d[\w.+~]*", least):
        return False
    return version_key(_upstream(version).partition("+")[0]) < version_key(least)
