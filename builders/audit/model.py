"""Define the records of an audit: what an image has, what is known to be vulnerable, and what follows.

The readers of data sources make advisories; `match` makes findings from products and advisories; `evidence` and the
statements of others (VEX) change the status of findings. The records know no format. All tuples are sorted.
"""

from __future__ import annotations

from typing import NamedTuple

# Severities, the worst first. `unknown`: the data does not tell it.
SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")

# The states of a finding: OpenVEX's statuses.
AFFECTED = "affected"
NOT_AFFECTED = "not_affected"
FIXED = "fixed"
UNDER_INVESTIGATION = "under_investigation"

# The statements of Debian's security team about a vulnerability that is not fixed in a release.
UNIMPORTANT = "unimportant"
SUBSTATES = ("no-dsa", "postponed", "ignored", "end-of-life", "undetermined", UNIMPORTANT)


class BinaryPackage(NamedTuple):
    """A binary package in the image. sha256, sha512: of its .deb, in hexadecimal; "" if the archive has none."""

    name: str
    version: str
    arch: str
    sha256: str
    sha512: str = ""


class Product(NamedTuple):
    """A source package, or a package of a language's registry, with parts in the image.

    ecosystem: "Debian", "Ubuntu", "Alpine", "npm", "PyPI", "Go", "crates.io" or "RubyGems", as OSV names them. release:
    its codename, or "". version: of the source, without the `+bN` of a rebuild. purl: of the source. base: the image's
    base has it, or has it too.
    """

    ecosystem: str
    release: str
    name: str
    version: str
    purl: str
    binaries: tuple[BinaryPackage, ...] = ()
    base: bool = False


# The `introduced` of a range from the very first version on, in every ecosystem.
FIRST = "0"


class VersionRange(NamedTuple):
    """Affected versions: from `introduced` (FIRST: the first) up to but without `fixed`, or up to `last_affected`.

    Both ends are "" if every later version is affected.
    """

    introduced: str
    fixed: str = ""
    last_affected: str = ""


class AffectedParts(NamedTuple):
    """The parts of a package that an advisory names as vulnerable. Nothing is derived from its prose.

    files: paths in the installed package, or names of files. binaries: names of binary packages. symbols: functions, as
    in Go's vulnerability data `IMPORT.SYMBOL`.
    """

    files: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


class Advisory(NamedTuple):
    """A vulnerability of a package, as one data source tells it.

    id: its CVE id if it has one, else the source's own. ranges: affected versions, of which one suffices; `versions`
    are affected too. substate: one of SUBSTATES, or "". severity: one of SEVERITIES. score: CVSS base score, or None.
    origin: the name of the data source.
    """

    id: str
    aliases: tuple[str, ...]
    ecosystem: str
    release: str
    package: str
    ranges: tuple[VersionRange, ...]
    versions: tuple[str, ...] = ()
    severity: str = "unknown"
    score: float | None = None
    substate: str = ""
    note: str = ""
    description: str = ""
    urls: tuple[str, ...] = ()
    parts: AffectedParts = AffectedParts()
    origin: str = ""


class Finding(NamedTuple):
    """A vulnerability and a product of the image.

    status: AFFECTED, NOT_AFFECTED, FIXED or UNDER_INVESTIGATION. justification: OpenVEX's, of a product that is not
    affected. evidence: what the status follows from, one fact each: names of files that are absent, or who stated it.
    fixed: the version that fixes it in the product's release, or "".
    """

    advisory: Advisory
    product: Product
    status: str
    fixed: str = ""
    justification: str = ""
    evidence: tuple[str, ...] = ()
