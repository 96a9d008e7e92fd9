"""Define the lock: the pinned suites, package indexes and packages of each release, and the resolved closures.

For each release, a lock pins its suites (digest and dates of the signed index), the package index of each suite and
architecture, every package used, and the closure of each resolved set of names. With a complete lock, an evaluation
needs neither indexes nor the network.
"""

from __future__ import annotations

from collections.abc import Mapping

from fpack.builders.debian.suites import IndexPin
from fpack.light_typing import NamedTuple, Protocol
from fpack.store.errors import FpackError


class LockError(FpackError):
    """A lock that cannot be read or written."""

    exit_code = 4


class LockCorrupt(LockError):
    """A malformed or inconsistent lock."""


class LockNewer(LockError):
    """A lock in the format of a later version of fpack."""


class LockChanged(LockError):
    """A lock that another process changed at the same time, in conflict with the changes of this one."""


class SuitePin(NamedTuple):
    """A pinned suite. sha256: of its signed index. Dates are Unix seconds."""

    release: str
    suite: str
    archive: str
    date: int
    until: int | None
    sha256: str


class PackagePin(NamedTuple):
    """A pinned package. date: of the index that it came from when it was first locked (Unix seconds).

    sha256, sha512: of its file, "" if the index does not have it; one at least is there.
    """

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    archive: str
    date: int
    size: int
    sha256: str
    file: str
    sha512: str = ""


class LockedDeb(Protocol):
    """A binary package of an archive, such as one of a lock, of a manifest's part of it, or of an index.

    archive: such as `debian-security`. file: the path of its .deb in the archive. sha256, sha512: of the .deb, "" if
    the archive's index does not have it.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def source_version(self) -> str: ...
    @property
    def archive(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def sha512(self) -> str: ...
    @property
    def file(self) -> str: ...


class EarlierIndex(NamedTuple):
    """A package index that the archive had before, and its suite at that time."""

    suite: SuitePin
    pin: IndexPin


SuiteKey = tuple[str, str]  # release, suite
IndexKey = tuple[str, str, str]  # release, label of the suite, architecture
EarlierKey = tuple[str, str, str, str]  # release, label of the suite, architecture, digest of the index
PackageKey = tuple[str, str, str]  # release, architecture, name
ClosureKey = tuple[str, str, tuple[str, ...]]  # release, architecture, sorted names
AnswerKey = tuple[str, str]  # kind, request as canonical JSON
Depends = Mapping[str, tuple[str, ...]]


class Lock:
    """The content of a lock, which its owner changes in place.

    answers: what package indexes of languages answered to a request, as objects of canonical JSON.

    earlier: the indexes of packages that kept their version when the archive moved on. A package that is in no index of
    `indexes` is in one of these, so every package can be traced to a signed index.
    """

    def __init__(self) -> None:
        self.suites: dict[SuiteKey, SuitePin] = {}
        self.indexes: dict[IndexKey, IndexPin] = {}
        self.earlier: dict[EarlierKey, EarlierIndex] = {}
        self.packages: dict[PackageKey, PackagePin] = {}
        self.closures: dict[ClosureKey, Depends] = {}
        self.answers: dict[AnswerKey, tuple[str, ...]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lock) and self.parts() == other.parts()

    __hash__ = None  # type: ignore[assignment]

    def parts(self) -> tuple[dict[object, object], ...]:
        """Return the entries of each kind, by their keys."""
        return self.suites, self.indexes, self.earlier, self.packages, self.closures, self.answers  # type: ignore[return-value]

    def copy(self) -> Lock:
        new = Lock()
        for mine, theirs in zip(self.parts(), new.parts(), strict=True):
            theirs.update(mine)
        return new

    def releases(self) -> list[str]:
        """Return the pinned releases, sorted."""
        return sorted({release for release, _ in self.suites})

    def part_of_closures(self, key: ClosureKey) -> Depends | None:
        """Return the closure of packages that the resolved closures of the release contain, or None if one is absent.

        A lock that an older version wrote lacks a request that this version makes, but may have its packages.
        """
        release, arch, names = key
        edges: dict[str, tuple[str, ...]] = {}
        for other in sorted(known for known in self.closures if known[:2] == (release, arch)):
            edges = {**self.closures[other], **edges}
        found: dict[str, tuple[str, ...]] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in edges:
                return None
            if name not in found:
                found[name] = edges[name]
                todo += edges[name]
        return found

    def pins(self, release: str, arch: str) -> dict[str, str]:
        """Return the locked version of each package of a release and architecture."""
        return {n: pin.version for (r, a, n), pin in self.packages.items() if (r, a) == (release, arch)}

    def dated(self, archive: str, path: str) -> int | None:
        """Return when a locked file was in its archive (Unix seconds), or None if it is not locked."""
        if not path.startswith("dists/"):
            return next((p.date for p in self.packages.values() if p.file == path and p.archive == archive), None)
        suite, digest = path.split("/")[1], path.rpartition("/")[2]
        for found in self.earlier.values():
            if digest in (found.pin.packed.sha256, found.pin.packed.sha512):
                return found.suite.date
        pins = [*self.suites.values(), *(found.suite for found in self.earlier.values())]
        return max((pin.date for pin in pins if (pin.archive, pin.suite) == (archive, suite)), default=None)

    def merged(self, base: Lock, theirs: Lock) -> Lock | None:
        """Apply the changes of this lock since `base` to `theirs`. Return None if both changed an entry differently."""
        new = theirs.copy()
        for old, mine, other, out in zip(base.parts(), self.parts(), theirs.parts(), new.parts(), strict=True):
            for key in mine.keys() | old.keys():
                if mine.get(key) == old.get(key) or mine.get(key) == other.get(key):
                    continue
                if other.get(key) != old.get(key):
                    return None
                if key in mine:
                    out[key] = mine[key]
                else:
                    out.pop(key, None)
        return new if new.problem() is None else None

    def problem(self) -> str | None:
        """Describe an inconsistency; None if there is none."""
        for release, arch, names in self.closures:
            depends = self.closures[release, arch, names]
            if list(names) != sorted(set(names)):
                return f"the names of the closure {' '.join(names)} are not sorted"
            for name in (*names, *(edge for edges in depends.values() for edge in edges)):
                if name not in depends:
                    return f"the closure {' '.join(names)} of {release} for {arch} lacks {name}"
            for name in depends:
                if (release, arch, name) not in self.packages:
                    return f"there is no package line for {name}, which is in a closure of {release} for {arch}"
        for release, label, _ in self.indexes:
            suite = label.partition("/")[0]
            if (release, suite) not in self.suites:
                return f"there is no suite line for {suite} of {release}, which has an index"
        return None
