"""The releases of Debian that are known, the suites that each is merged from, and the pins of their files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

DEBIAN = "debian"
SECURITY = "debian-security"
ARCHIVES = (DEBIAN, SECURITY)
COMPONENT = "main"


class Suite(NamedTuple):
    """A suite's codename (the folder under dists/) and the archive that has it."""

    name: str
    archive: str


class File(NamedTuple):
    """A file that a suite's signed index vouches for; `sha256` in hex, `path` below the suite's folder."""

    path: str
    size: int
    sha256: str


class IndexPin(NamedTuple):
    """Which list of packages it is: its text's digest and size, and the packed file that holds it."""

    sha256: str
    size: int
    packed: File


def _stable(name: str) -> tuple[Suite, ...]:
    return Suite(name, DEBIAN), Suite(f"{name}-updates", DEBIAN), Suite(f"{name}-security", SECURITY)


# Unstable has no updates and no security suite: both go straight into it.
RELEASES: Mapping[str, tuple[Suite, ...]] = {
    "bullseye": _stable("bullseye"),
    "bookworm": _stable("bookworm"),
    "trixie": _stable("trixie"),
    "forky": _stable("forky"),
    "sid": (Suite("sid", DEBIAN),),
}
STABLE = "trixie"  # what is meant where no release is named


def show_date(seconds: int) -> str:
    """A date as messages and the lock show it: 2025-05-20T00:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
