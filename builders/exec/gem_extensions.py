"""Find what a gem's extension said when it could not be compiled, among the traces that Bundler prints around it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_START = "ERROR: Failed to build gem native extension."
_END = re.compile(r"Gem files will remain installed in")
_GEM = re.compile(r"An error occurred while installing \S+ \(\S+\)")
# mkmf lists the options of each extconf.rb, and names a file that the sandbox takes with it.
_OPTIONS = "Provided configuration options:"
_FILE = re.compile(r"To see why this extension failed to compile")


def extension_errors(lines: Sequence[str]) -> list[str]:
    """Return the lines of a log about the first extension that could not be compiled, and the gem's name; [] if none.

    lines: of a log, without their ends.
    """
    start = next((i for i, line in enumerate(lines) if _START in line), None)
    if start is None:
        return []
    found: list[str] = []
    skips = False
    for line in lines[start + 1 :]:
        if _END.match(line):
            break
        if line.startswith(_OPTIONS) or _FILE.match(line):
            skips = True
        elif skips and (not line.strip() or line.startswith(("\t", "be found here", "here:", "/fpack/store/"))):
            continue
        else:
            skips = False
            found.append(line)
    while found and not found[-1].strip():
        found.pop()
    gem = next((match[0] for line in lines[start:] if (match := _GEM.match(line))), None)
    return [*found, gem] if gem else found
