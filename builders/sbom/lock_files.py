"""Read the packages that the lock files of Cargo and Bundler name, and the list of modules that Go has in `vendor`.

Their packages lie in the source, where `cargo vendor`, `bundle package` and `go mod vendor` put them, so no derivation
names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fpack import strict_toml

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
# `    name (1.2.3)` of the specs, and `  name (1.2.3) sha256=...` of the checksums. A platform follows the version.
_SPEC = re.compile(r"    ([\w.-]+) \(([\w.]+)(?:-[\w.-]+)?\)\Z")
_CHECKSUM = re.compile(r"  ([\w.-]+) \(([\w.]+)\) sha256=([0-9a-f]{64})\Z")
# `# example.org/a v1.0.0`, with `=> ./a` or `=> example.org/b v1.1.0` for one that is replaced.
_MODULE = re.compile(r"# (\S+)(?: (v\S+))?(?: => (\S+)(?: (v\S+))?)?\Z")
MAX_SIZE = 16 << 20  # bytes


class LockedPart(NamedTuple):
    """A package that a lock file names. kind: as of a component. sha256: of its archive, or ""."""

    kind: str
    name: str
    version: str
    sha256: str = ""


def cargo(text: str) -> list[LockedPart]:
    """Return the crates of a Cargo.lock that come from elsewhere. Raise ValueError if it is malformed."""
    rows = strict_toml.parse(text).get("package", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("package is not a list of tables")
    found = set()
    for row in rows:
        if row.get("source"):
            checksum = str(row.get("checksum", ""))
            sha256 = checksum if _SHA256.match(checksum) else ""
            found.add(LockedPart("cargo", str(row["name"]), str(row["version"]), sha256))
    return sorted(found)


def bundler(text: str) -> list[LockedPart]:
    """Return the gems of a Gemfile.lock that come from elsewhere."""
    section, gems = "", set()
    sums: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line
        elif section in ("GEM", "GIT") and (match := _SPEC.match(line)):
            gems.add((match[1], match[2]))
        elif section == "CHECKSUMS" and (match := _CHECKSUM.match(line)):
            sums[match[1], match[2]] = match[3]
    return [LockedPart("gem", *gem, sums.get(gem, "")) for gem in sorted(gems)]


def modules(text: str) -> list[LockedPart]:
    """Return the modules of a vendor/modules.txt. One that another replaces has the path that it is imported by."""
    found = set()
    for line in text.splitlines():
        if match := _MODULE.match(line):
            found.add(LockedPart("golang", match[1], match[4] or match[2] or ""))
    return sorted(found)


Reader = Callable[[str], list[LockedPart]]
READERS: dict[str, Reader] = {"Cargo.lock": cargo, "Gemfile.lock": bundler}  # at the top of a source
BELOW: dict[str, Reader] = {"vendor/modules.txt": modules}
