"""Define the known releases of Debian and Ubuntu, their suites, and the pins of index files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from fpack.light_typing import NamedTuple

DEBIAN = "debian"
SECURITY = "debian-security"
UBUNTU = "ubuntu"
ARCHIVES = (DEBIAN, SECURITY, UBUNTU)
# The distributions. A release belongs to that of its suites' archives.
DISTRIBUTIONS = {DEBIAN: "Debian", UBUNTU: "Ubuntu"}
COMPONENT = "main"
UNIVERSE = "universe"
# Those of RELEASES; a release has some of them.
ARCHITECTURES = (
    "amd64", "arm64", "armel", "armhf", "i386", "loong64", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x",
)  # fmt: skip


class Suite(NamedTuple):
    """A component of a suite: the suite's directory under dists/, the archive that contains it, and the component.

    settled: the suite does not change after the release, as its updates are in others; so its index may be of any age.
    """

    name: str
    archive: str
    component: str = COMPONENT
    settled: bool = False

    @property
    def label(self) -> str:
        """The name of the suite's index in a lock. That of `main` is the suite's."""
        return self.name if self.component == COMPONENT else f"{self.name}/{self.component}"


def is_security(label: str) -> bool:
    """Return whether the suite with a label has security updates."""
    return label.partition("/")[0].endswith("-security")


def labelled(label: str, archive: str) -> Suite:
    name, _, component = label.partition("/")
    return Suite(name, archive, component or COMPONENT)


class SuiteFile(NamedTuple):
    """A file listed in a suite's signed index. path: below the suite's directory.

    sha256, sha512: hexadecimal, "" if the index does not have it. One of them at least is there.
    """

    path: str
    size: int
    sha256: str
    sha512: str = ""


class IndexPin(NamedTuple):
    """The pin of a package index: digests and size of the uncompressed text, and the compressed file."""

    sha256: str
    size: int
    packed: SuiteFile
    sha512: str = ""

    @property
    def key(self) -> str:
        """The name of the text in the cache: its declared digests, so that a cached text matches each of them."""
        return digest_key(self.sha256, self.sha512)


def digest_key(sha256: str, sha512: str) -> str:
    """Return a name of the content with these digests."""
    return "-".join(filter(None, (sha256, sha512)))


def _stable(name: str) -> tuple[Suite, ...]:
    return Suite(name, DEBIAN), Suite(f"{name}-updates", DEBIAN), Suite(f"{name}-security", SECURITY)


def _ubuntu(name: str) -> tuple[Suite, ...]:
    # All suites are in one archive, and only the first one never changes after the release.
    return tuple(
        Suite(f"{name}{end}", UBUNTU, component, settled=not end)
        for end in ("", "-updates", "-security")
        for component in (COMPONENT, UNIVERSE)
    )


# Unstable has no updates or security suite: both are uploaded directly.
RELEASES: Mapping[str, tuple[Suite, ...]] = {
    "bullseye": _stable("bullseye"),
    "bookworm": _stable("bookworm"),
    "trixie": _stable("trixie"),
    "forky": _stable("forky"),
    "sid": (Suite("sid", DEBIAN),),
}
STABLE = "trixie"  # the default release
# Ubuntu's releases, with their versions. Names of releases differ between the distributions.
UBUNTU_VERSIONS = {"jammy": "22.04", "noble": "24.04", "plucky": "25.04", "questing": "25.10", "resolute": "26.04"}
UBUNTU_RELEASES: Mapping[str, tuple[Suite, ...]] = {name: _ubuntu(name) for name in UBUNTU_VERSIONS}
UBUNTU_STABLE = "noble"  # the release whose mirrors are checked
ALL_RELEASES: Mapping[str, tuple[Suite, ...]] = {**RELEASES, **UBUNTU_RELEASES}
OF_DISTRIBUTION = {DEBIAN: RELEASES, UBUNTU: UBUNTU_RELEASES}


def distribution(suites: Sequence[Suite]) -> str:
    """Return the distribution of a release with these suites: a key of DISTRIBUTIONS."""
    return UBUNTU if any(suite.archive == UBUNTU for suite in suites) else DEBIAN


def distribution_title(release: str) -> str:
    """Return the name of a release's distribution, for people."""
    return DISTRIBUTIONS[distribution(ALL_RELEASES.get(release, ()))]


def target_of(release: str, name: str = "") -> str:
    """Return the name of a package, or the beginning of such names, in other commands: `debian.trixie.jq`."""
    return f"{distribution(ALL_RELEASES.get(release, ()))}.{release}.{name}"


def show_date(seconds: int) -> str:
    """Format a date (Unix seconds) as in messages and the lock: 2025-05-20T00:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
