"""What to do about a build that failed, where its last lines name what it lacks: pure functions of these."""

from __future__ import annotations

import re

_LIBS = "if {0} is none of the project's own files, name in `libs` the package that has it: fpack search {1} dev"
_TOOLS = "if {0} is none of the project's own files, name in `tools` the package that has it: fpack search {1}"
_NAME = r"([A-Za-z0-9_][\w.+-]*)"
# Of compilers, linkers, pkg-config, Meson, CMake, make and shells.
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
