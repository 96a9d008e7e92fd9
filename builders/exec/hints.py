"""What to do about a build that failed, where its last lines name what it lacks: pure functions of these."""

from __future__ import annotations

import re

_LIBS = "if {0} is none of the project's own files, name in `libs` the package that has it: fpack search {1} dev"
_TOOLS = "if {0} is none of the project's own files, name in `tools` the package that has it: fpack search {1}"
_CARGO = "{0} is not among the vendored crates: run cargo vendor, and keep vendor/ and .cargo/config.toml as source"
_GO = "{0} is not among the vendored modules: run go mod vendor, and keep vendor/ as source"
_GEM = "{0} is not among the vendored gems: run bundle cache, and keep vendor/cache as source"
_NPM = "package.json and package-lock.json do not agree: run npm install, and keep both"
_PIP = "{0} is locked with no file for this Python, or its version was changed: lock the requirements again"
_NAME = r"([A-Za-z0-9_][\w.+-]*)"
# Of compilers, linkers, pkg-config, Meson, CMake, make and shells; and of what installs from locks.
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
    """What the first thing that is lacking in these lines of a log asks for; "" where none is known to be."""
    found = [(match.start(), match[1], text) for known, text in _KNOWN if (match := known.search(last))]
    if not found:
        return ""
    _, name, text = min(found)
    return text.format(name, _word(name))


def _word(name: str) -> str:
    """What to look for: a header's own name without its ending, or the directory that it is in."""
    first = name.partition("/")[0]
    return re.sub(r"\.(?:h|hh|hpp|pc)$", "", first).lower()
