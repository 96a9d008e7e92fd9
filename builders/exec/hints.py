"""Suggest a remedy for a failed build from the last lines of its log, where they name a missing file or package."""

from __future__ import annotations

import re

_LIBS = "unless {0} is a file of the project, add the package that has it to `libs`: fpack search {1} dev"
_TOOLS = "unless {0} is a file of the project, add the package that has it to `tools`: fpack search {1}"
_CARGO = "{0} is not vendored: run cargo vendor, and keep vendor/ and .cargo/config.toml with the source"
_GO = "{0} is not vendored: run go mod vendor, and keep vendor/ with the source"
_GEM = "{0} is not vendored: run bundle cache, and keep vendor/cache with the source"
_NPM = "package.json and package-lock.json differ: run npm install, and keep both"
_PIP = "the lock has no file of {0} for this Python, or its version was changed: lock the requirements again"
_NAME = r"([A-Za-z0-9_][\w.+-]*)"
# Messages of compilers, linkers, pkg-config, Meson, CMake, make and shells, and of tools that install from locks.
_KNOWN = (
    (re.compile(r"fatal error: ([\w./+-]+\.\w+): No such file or directory"), _LIBS),
    (re.compile(rf"cannot find -l{_NAME}"), _LIBS),
    (re.compile(rf"ERROR: Dependency \"{_NAME}\" not found"), _LIBS),
    (re.compile(rf"No package '{_NAME}' found"), _LIBS),
    (re.compile(rf"Could not find a package configuration file provided by \"{_NAME}\""), _LIBS),
    (re.compile(rf"Could NOT find {_NAME} \(missing:"), _LIBS),
    (re.compile(rf"line \d+: {_NAME}: command not found"), _TOOLS),
    (re.compile(rf"sh: \d+: {_NAME}: not found"), _TOOLS),
    (re.compile(rf"make(?:\[\d+\])?: {_NAME}: No such file or directory"), _TOOLS),
    (re.compile(rf"Program '{_NAME}(?: [^']*)?' not found"), _TOOLS),
    (re.compile(rf"no matching package named `{_NAME}` found"), _CARGO),
    (re.compile(rf"failed to select a version for the requirement `{_NAME}"), _CARGO),
    (re.compile(r"cannot find module providing package (\S+): import lookup disabled by -mod=vendor"), _GO),
    (re.compile(r"(\S+)@\S+: is explicitly required in go\.mod, but not marked as explicit in vendor"), _GO),
    (re.compile(rf"Could not find gem '{_NAME}"), _GEM),
    (re.compile(rf"Could not find {_NAME} in (?:locally installed|cached) gems"), _GEM),
    (re.compile(r"npm (?:error|ERR!) code (ENOTCACHED|EUSAGE)"), _NPM),
    (re.compile(rf"No matching distribution found for {_NAME}"), _PIP),
)


def advice(last: str) -> str:
    """Return a hint for the first missing thing in the lines of a log, or "" if no known message is there."""
    found = [(match.start(), match[1], text) for known, text in _KNOWN if (match := known.search(last))]
    if not found:
        return ""
    _, name, text = min(found)
    return text.format(name, _word(name))


def _word(name: str) -> str:
    """Return the word to search for: a header's name without its suffix, or the directory of the header."""
    first = name.partition("/")[0]
    return re.sub(r"\.(?:h|hh|hpp|pc)$", "", first).lower()
