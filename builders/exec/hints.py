"""Suggest a remedy for a failed build from the last lines of its log, where they name a missing file or package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fpack.builders.debian.contents.index import ContentsIndex


class _Missing(NamedTuple):
    """A kind of file that a build may lack. field: the argument that takes its package. names: those that the file may
    have, with {0} for the name in the log and {1} for it in lower case. search: words that find the package."""

    field: str
    names: Sequence[str]
    search: str = "{2} dev"


_HEADER = _Missing("libs", ["{0}"])
_LIBRARY = _Missing("libs", ["lib{0}.so", "lib{0}.a"])
_PKG_CONFIG = _Missing("libs", ["{0}.pc", "{0}Config.cmake", "{1}-config.cmake"])
_CMAKE = _Missing("libs", ["{0}Config.cmake", "{1}-config.cmake"])
_FIND = _Missing("libs", ["{1}.pc", "{0}Config.cmake", "{1}-config.cmake", "lib{1}.so"])
_PROGRAM = _Missing("tools", ["/usr/bin/{0}", "/usr/sbin/{0}"], "{2}")
_MOST = 3  # packages of a hint
_CARGO = "{0} is not vendored: run cargo vendor, and keep vendor/ and .cargo/config.toml with the source"
_GO = "{0} is not vendored: run go mod vendor, and keep vendor/ with the source"
_GEM = "{0} is not vendored: run bundle cache, and keep vendor/cache with the source"
_NPM = "package.json and package-lock.json differ: run npm install, and keep both"
_PIP = "the lock has no file of {0} for this Python, or its version was changed: lock the requirements again"
_NAME = r"([A-Za-z0-9_][\w.+-]*)"
# Messages of compilers, linkers, pkg-config, Meson, CMake, make and shells, and of tools that install from locks.
_KNOWN = (
    (re.compile(r"fatal error: ([\w./+-]+\.\w+): No such file or directory"), _HEADER),
    (re.compile(rf"cannot find -l{_NAME}"), _LIBRARY),
    (re.compile(rf"ERROR: Dependency \"{_NAME}\" not found"), _PKG_CONFIG),
    (re.compile(rf"No package '{_NAME}' found"), _PKG_CONFIG),
    (re.compile(rf"Could not find a package configuration file provided by \"{_NAME}\""), _CMAKE),
    (re.compile(rf"Could NOT find {_NAME} \(missing:"), _FIND),
    (re.compile(rf"line \d+: {_NAME}: command not found"), _PROGRAM),
    (re.compile(rf"sh: \d+: {_NAME}: not found"), _PROGRAM),
    (re.compile(rf"make(?:\[\d+\])?: {_NAME}: No such file or directory"), _PROGRAM),
    (re.compile(rf"Program '{_NAME}(?: [^']*)?' not found"), _PROGRAM),
    (re.compile(rf"no matching package named `{_NAME}` found"), _CARGO),
    (re.compile(rf"failed to select a version for the requirement `{_NAME}"), _CARGO),
    (re.compile(r"cannot find module providing package (\S+): import lookup disabled by -mod=vendor"), _GO),
    (re.compile(r"(\S+)@\S+: is explicitly required in go\.mod, but not marked as explicit in vendor"), _GO),
    (re.compile(rf"Could not find gem '{_NAME}"), _GEM),
    (re.compile(rf"Could not find {_NAME} in (?:locally installed|cached) gems"), _GEM),
    (re.compile(r"npm (?:error|ERR!) code (ENOTCACHED|EUSAGE)"), _NPM),
    (re.compile(rf"No matching distribution found for {_NAME}"), _PIP),
)


def advice(last: str, files: Callable[[], ContentsIndex | None] = lambda: None) -> str:
    """Return a hint for the first missing thing in the lines of a log, or "" if no known message is there.

    files: opens the index of Debian's files, if there is one at hand.
    """
    found = [(match.start(), match[1], remedy) for known, remedy in _KNOWN if (match := known.search(last))]
    if not found:
        return ""
    _, name, remedy = min(found, key=lambda item: item[0])
    return remedy.format(name) if isinstance(remedy, str) else _of_file(remedy, name, files())


def _of_file(missing: _Missing, name: str, index: ContentsIndex | None) -> str:
    """Return the hint for a missing file: the packages that have it, or the command that finds them."""
    words = [text.format(name, name.lower(), _word(name)) for text in (*missing.names, missing.search)]
    start = f"unless {name} is a file of the project, add"
    if index is None:
        file = shlex.quote(words[0])
        return f"{start} the package that has it to `{missing.field}`: fpack search --file {file}"
    packages = next(filter(None, (_packages(index, file) for file in words[:-1])), [])
    if packages:
        return f"{start} {' or '.join(packages[:_MOST])} of {index.release} to `{missing.field}`"
    return (
        f"no package of {index.release} has {words[0]}; if it is no file of the project, try fpack search {words[-1]}"
    )


def _packages(index: ContentsIndex, file: str) -> list[str]:
    """Return the packages that have a file: at its path, or where its path has the fewest directories."""
    if file.startswith("/"):
        return list(index.at(file))
    found = index.named(file)
    least = min(map(_depth, (entry.path for entry in found)), default=0)
    return list(dict.fromkeys(name for entry in found if _depth(entry.path) == least for name in entry.packages))


def _depth(path: str) -> int:
    """Count the directories of a path, except the one of an architecture, as in /usr/lib/x86_64-linux-gnu."""
    return sum("-linux-gnu" not in part for part in path.split("/"))


def _word(name: str) -> str:
    """Return the word to search for: a header's name without its suffix, or the directory of the header."""
    first = name.partition("/")[0]
    return re.sub(r"\.(?:h|hh|hpp|pc)$", "", first).lower()
