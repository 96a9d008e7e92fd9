"""Define the known releases of Debian, their suites, and the pins of index files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

DEBIAN = "debian"
SECURITY = "debian-security"
ARCHIVES = (DEBIAN, SECURITY)
COMPONENT = "main"
# Those of RELEASES; a release has some of them.
ARCHITECTURES = (
    "amd64", "arm64", "armel", "armhf", "i386", "loong64", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x",
)  # fmt: skip


class Suite(NamedTuple):
    """A suite: its codename, which is its directory under dists/, and the archive that contains it."""

    name: str
    archive: str


class SuiteFile(NamedTuple):
    """A file listed in a suite's signed index. path: below the suite's directory. sha256: hexadecimal."""

    path: str
    size: int
    sha256: str


class IndexPin(NamedTuple):
    """The pin of a package index: digest and size of the uncompressed text, and the compressed file."""

    sha256: str
    size: int
    packed: SuiteFile


def _stable(name: str) -> tuple[Suite, ...]:
    return Suite(name, DEBIAN), Suite(f"{name}-updates", DEBIAN), Suite(f"{name}-security", SECURITY)


# Unstable has no updates or security suite: both are uploaded directly.
RELEASES: Mapping[str, tuple[Suite, ...]] = {
    "bullseye": _stable("bullseye"),
    "bookworm": _stable("bookworm"),
    "trixie": _stable("trixie"),
    "forky": _stable("forky"),
    "sid": (Suite("sid", DEBIAN),),
}
STABLE = "trixie"  # the default release


def show_date(seconds: int) -> str:
    """Format a date (Unix seconds) as in messages and the lock: 2025-05-20T00:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
