"""Define the records of a comparison: what two images or locks have, and what differs between them.

The records know no format. All tuples are sorted by what they are about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

IMAGE, LOCK = "image", "lock"
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
# The kinds of change of a package. REBUILT: another file of the same version.
UPGRADED, DOWNGRADED, REBUILT = "upgraded", "downgraded", "rebuilt"
# The owners of files that are of no package and no build: rules of fpack, and the container.
NO_OWNER = ""

PackageKey = tuple[str, str, str]  # release and architecture, "" for an image, which has one of each; name


class ComparedPackage(NamedTuple):
    """A Debian package. The fields after `arch` are those of its lock, "" and 0 if it is not known.

    size: of its file. sha256, sha512: of its file; an archive's index may have only one of them.
    """

    name: str
    version: str
    release: str = ""
    arch: str = ""
    source: str = ""
    source_version: str = ""
    archive: str = ""
    date: int = 0
    size: int = 0
    sha256: str = ""
    file: str = ""
    sha512: str = ""


class FileState(NamedTuple):
    """A file, directory or symlink of an image. kind: as in a manifest. owner: the package or build it is of, or ""."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    sha256: bytes
    target: bytes
    owner: str


class SideInventory(NamedTuple):
    """The contents of an image or a lock. name: as the user named it. digest: of the image, or "".

    sizes: of the files of each owner in an image, or of each package's file in a lock, by name. files: by path, in
    which a store path stands without its hash. settings: of the container, by name. compressed: the size of the
    layers. licences: the SPDX expression of each package for which it is known.
    """

    name: str
    form: str
    packages: Mapping[PackageKey, ComparedPackage]
    sizes: Mapping[str, int]
    files: Mapping[str, FileState] = {}
    settings: Mapping[str, str] = {}
    digest: str = ""
    compressed: int | None = None
    licences: Mapping[str, str] = {}

    @property
    def size(self) -> int:
        """The size of all files."""
        return sum(self.sizes.values())


class SideSummary(NamedTuple):
    """One of the two things that are compared. unpacked: the size of all files; of a lock, that of all packages."""

    name: str
    form: str
    digest: str
    packages: int
    compressed: int | None
    unpacked: int


class PackageChange(NamedTuple):
    """A package that is added, removed or changed. movement: of a changed one, else "". old, new: None if absent."""

    change: str
    movement: str
    old: ComparedPackage | None
    new: ComparedPackage | None

    @property
    def either(self) -> ComparedPackage:
        """The new package, or the old one if it is removed."""
        found = self.new or self.old
        assert found is not None
        return found


class SizeChange(NamedTuple):
    """The size of an owner's files before and after."""

    owner: str
    old: int
    new: int


class FileChange(NamedTuple):
    """A file that is added, removed or changed. parts: of a changed one: content, mode, owner, kind, target."""

    path: str
    change: str
    owner: str
    parts: tuple[str, ...]
    old: FileState | None
    new: FileState | None


class FileSummary(NamedTuple):
    """The number of an owner's files that differ."""

    owner: str
    added: int
    removed: int
    changed: int


class LicenceChange(NamedTuple):
    """A package whose licence is another one. old, new: SPDX expressions, "" if the package is absent."""

    package: str
    old: str
    new: str


class SettingChange(NamedTuple):
    """A setting of the container. old, new: None if absent. Values that may be secret are not in them."""

    name: str
    old: str | None
    new: str | None


class ChangelogEntry(NamedTuple):
    """An entry of a Debian changelog. lines: its text, without control characters. cves: the ids in it."""

    version: str
    suite: str
    urgency: str
    date: str
    lines: tuple[str, ...]
    cves: tuple[str, ...]


class SourceChangelog(NamedTuple):
    """The changelog entries of a source package between two versions, the newest first.

    packages: its binary packages that changed. absent: why there are no entries, or "".
    """

    source: str
    old: str
    new: str
    packages: tuple[str, ...]
    entries: tuple[ChangelogEntry, ...] = ()
    absent: str = ""

    @property
    def cves(self) -> tuple[str, ...]:
        """The CVE ids of all entries, sorted."""
        return tuple(sorted({cve for entry in self.entries for cve in entry.cves}, key=cve_key))


class VulnerabilityChange(NamedTuple):
    """A vulnerability of a source package that only one side has. version: of the source on that side."""

    id: str
    package: str
    version: str
    severity: str
    status: str
    description: str


class Vulnerabilities(NamedTuple):
    """The vulnerabilities that only the old side has, and those that only the new side has; and how many both have.

    without: the releases and ecosystems that there is no data about.
    """

    fixed: tuple[VulnerabilityChange, ...]
    new: tuple[VulnerabilityChange, ...]
    remaining: int
    without: tuple[str, ...] = ()


class Comparison(NamedTuple):
    """Everything that differs. vulnerabilities: None if nobody looked for them."""

    old: SideSummary
    new: SideSummary
    packages: tuple[PackageChange, ...]
    sizes: tuple[SizeChange, ...]
    files: tuple[FileChange, ...]
    licences: tuple[LicenceChange, ...]
    settings: tuple[SettingChange, ...]
    changelogs: tuple[SourceChangelog, ...] = ()
    vulnerabilities: Vulnerabilities | None = None

    @property
    def differs(self) -> bool:
        """True if anything differs but vulnerabilities, of which the data may have changed."""
        return bool(self.packages or self.files or self.settings or self.old.digest != self.new.digest)


def cve_key(cve: str) -> tuple[int, int]:
    """Return a sort key for a CVE id: its year and number."""
    _, year, number = cve.split("-")
    return int(year), int(number)
