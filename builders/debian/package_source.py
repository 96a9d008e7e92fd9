"""Provide the packages of Debian and Ubuntu to an evaluation: answer from the lock, and resolve and lock new requests.

An evaluation with a complete lock loads only this module. Indexes, the resolver and the network code are imported when
the lock lacks something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple
from fpack.store import DAY
from fpack.store.errors import FpackError, counted
from fpack.store.settings import ACCEPT_EXPIRED

from .lock.file import LockFile
from .lock.records import ClosureKey, Lock, PackagePin
from .suites import ALL_RELEASES, DEBIAN, DISTRIBUTIONS, Suite, distribution, show_date

if TYPE_CHECKING:
    from fpack.builders.net.http import Http

    from .indexes.merged import MergedIndex
    from .mirrors import Mirrors
    from .package import Package
    from .relock import MovedPackage, OutdatedPackage
    from .repository import ArchiveReporter, DebianArchive


PackageRecord = dict[str, Any]


class NoSuchRelease(FpackError):
    """A release that fpack does not know."""

    exit_code = 4


class Frozen(FpackError):
    """A missing entry in a frozen lock, or an update of a frozen lock."""

    exit_code = 4


class NotLocked(Frozen):
    """A package that a frozen lock does not have.

    A lock has all packages that an evaluation found. So in the language, `or` can provide a default, as it did then.
    """

    absent = True


class AddedPackage(NamedTuple):
    """A package that was added to the lock."""

    release: str
    arch: str
    name: str
    version: str


class DebianSource:
    """The packages of the releases of Debian and Ubuntu, pinned by a lock.

    arch: the architecture of packages for which no other is given. added, moved: the changes of the lock since this
    object was created; `save` writes the lock. frozen: a missing entry is an error. max_age: the value of the option
    `--max-index-age`. Packages that come from the lock have an empty section and description.
    """

    def __init__(
        self,
        lock: LockFile,
        *,
        arch: str,
        cache: Path,
        mirrors: Mirrors,
        http: Callable[[], Http],
        reporter: ArchiveReporter,
        frozen: bool = False,
        now: Callable[[], float] = time.time,
        releases: Mapping[str, Sequence[Suite]] = ALL_RELEASES,
        keyring: str | None = None,
        accept_expired: bool | None = None,
        max_age: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.file = lock
        self.arch = arch
        self.frozen = frozen
        self.added: list[AddedPackage] = []
        self.moved: list[MovedPackage] = []
        self._cache = cache
        self._mirrors = mirrors
        self._http = http
        self._reporter = reporter
        self._now = now
        self._releases = releases
        self._keyring = keyring
        self._accept_expired = ACCEPT_EXPIRED.find() if accept_expired is None else accept_expired
        self._max_age = max_age
        self._check = check
        self._universes: dict[tuple[str, str], MergedIndex] = {}
        mirrors.dated = self._dated

    @property
    def lock(self) -> Lock:
        return self.file.lock

    # Queries of an evaluation.

    def releases(self, of: str = DEBIAN) -> list[str]:
        """Return the names of the known releases of a distribution, sorted. of: such as `ubuntu`."""
        return sorted(name for name, suites in self._releases.items() if distribution(suites) == of)

    def package(self, release: str, name: str, arch: str = "") -> PackageRecord:
        """Return a package: name, version, arch, release, source, source_version, file, archive, sha256, size, date,
        section, description, and sha512 if the archive has it. Raise NoSuchPackage if there is none."""
        self._check_release(release)
        arch = arch or self.arch
        pin = self.lock.packages.get((release, arch, name))
        if pin is not None:
            return _entry(release, pin)
        self._forbid_if_frozen(release, arch, name, NotLocked)
        universe = self._universe(release, arch, (name,))
        pin = self.lock.packages.get((release, arch, name))  # `_universe` may have updated the lock
        package = self._find(universe, release, name)
        if pin is None:
            pin = self._add(release, arch, package)
        return _entry(release, pin, package)

    def closure(self, release: str, names: Sequence[str], arch: str = "") -> list[PackageRecord]:
        """Return `names` and all their dependencies, sorted by name: records as of `package`, with `depends`."""
        self._check_release(release)
        wanted = tuple(sorted(set(names)))
        arch = arch or self.arch
        key = (release, arch, wanted)
        depends = self.lock.closures.get(key)
        if depends is None and self.frozen:
            depends = self.lock.part_of_closures(key)
        if depends is None:
            self._forbid_if_frozen(release, arch, " ".join(wanted))
            universe = self._universe(release, arch, wanted)
            for name in wanted:
                self._find(universe, release, name)
            if key not in self.lock.closures:
                self._resolve(universe, key)
            depends = self.lock.closures[key]
        packages = self.lock.packages
        return [_entry(release, packages[release, arch, n]) | {"depends": list(depends[n])} for n in sorted(depends)]

    def save(self) -> None:
        """Write the lock if it has changed."""
        self.file.save()

    # Updates of the lock.

    def update(
        self,
        releases: Iterable[str] | None = None,
        packages: Iterable[str] | None = None,
        *,
        allow_older: bool = False,
        security: bool = False,
    ) -> list[MovedPackage]:
        """Pin the current indexes of `releases` (default: all locked ones) and resolve all requests again.

        packages: only these may change version. security: of these, only those move of which a security suite has a
        newer version, and to that version. Others change only if what moves does not go with their version, or if the
        archive no longer has their version, and neither this machine nor a mirror the index that had it. Return the
        changed packages. On failure the lock is unchanged.
        """
        if self.frozen:
            raise Frozen(
                "The lock is frozen", where=str(self.file.path), hint="run without --frozen to update the lock"
            )
        moved: list[MovedPackage] = []
        for release in sorted(set(releases)) if releases is not None else self.lock.releases():
            self._check_release(release)
            loose = None if packages is None else set(packages)
            moved += self._move(release, loose, allow_older=allow_older, security=security)
        self.moved += moved
        return moved

    def refresh_if_old(self, max_age: float = DAY) -> list[MovedPackage]:
        """Update a lock not confirmed to be current within `max_age` seconds. Warn if the update fails."""
        newest = max((pin.date for pin in self.lock.suites.values()), default=0)
        age = self._now() - max(newest, self.file.checked_at())
        if self.frozen or not newest or age <= max_age:
            return []
        from fpack.builders.protocol import Cancelled

        try:
            moved = self.update()
        except Cancelled:
            raise
        except FpackError as error:
            days = counted(int(age // DAY), "day")
            self._reporter.say(f"warning: the package lock is {days} old and cannot be refreshed: {error}")
            return []
        self.save()
        self.file.confirm(self._now())
        return moved

    def outdated(self, releases: Iterable[str] | None = None) -> list[OutdatedPackage]:
        """Return the locked packages of which the archive has a newer version, or which it no longer has, sorted.

        The current indexes are fetched and checked as for an update. The lock does not change.
        """
        from .indexes.earlier import forget
        from .relock import outdated

        found: list[OutdatedPackage] = []
        for release in sorted(set(releases)) if releases is not None else self.lock.releases():
            self._check_release(release)
            new = self.lock.copy()
            archs = {arch for r, arch, _ in new.packages if r == release}
            self._archive.refresh(new, release, self._releases[release], archs)
            forget(new, release)
            for arch in sorted(archs):
                found += outdated(new, release, arch, self._open(new, release, arch))
        return found

    # Internal methods.

    def _check_release(self, release: str) -> None:
        if release not in self._releases:
            raise NoSuchRelease(
                f"There is no release {release!r} of {' or '.join(DISTRIBUTIONS.values())}",
                hint=f"the releases are {', '.join(sorted(self._releases))}",
            )

    def _forbid_if_frozen(self, release: str, arch: str, what: str, error: type[Frozen] = Frozen) -> None:
        if self.frozen:
            others = sorted({a for r, a, _ in self.lock.packages if r == release} - {arch})
            alone = bool(others) and not any((r, a) == (release, arch) for r, a, _ in self.lock.packages)
            raise error(
                f"The lock is frozen and has no entry for {what} of {release} for {arch}",
                where=str(self.file.path),
                why=f"it has packages of {release} for {', '.join(others)} only" if alone else "",
                hint="run once without --frozen and keep the updated lock",
            )

    @cached_property
    def _archive(self) -> DebianArchive:
        from fpack.store.settings import MAX_INDEX_AGE

        from .repository import DebianArchive

        return DebianArchive(
            cache=self._cache,
            mirrors=self._mirrors,
            http=self._http(),
            reporter=self._reporter,
            now=self._now,
            keyring=self._keyring,
            accept_expired=self._accept_expired,
            max_age=MAX_INDEX_AGE.find(self._max_age),
            check=self._check,
        )

    def _universe(self, release: str, arch: str, wanted: Sequence[str]) -> MergedIndex:
        """Return the universe of a release: from the locked indexes, or from the current ones if there are none."""
        found = self._universes.get((release, arch))
        if found is not None:
            return found
        from .indexes.download import IndexGone

        if not any(key[0] == release for key in self.lock.suites):
            new = self.lock.copy()
            self._archive.refresh(new, release, self._releases[release], [arch])
            universe = self._open(new, release, arch)
            self.file.lock = new
            return self._remember(release, arch, universe)
        try:
            return self._remember(release, arch, self._open(self.lock, release, arch))
        except IndexGone as error:
            dates = [pin.date for (r, _), pin in self.lock.suites.items() if r == release]
            self._reporter.say(
                f"The locked package indexes of {release} ({show_date(max(dates))}) are no longer available; "
                f"{', '.join(wanted)} will come from the current ones. {error}"
            )
        moved = self._move(release, set(), also=arch, tell=False)
        self.moved += moved
        for move in moved:
            self._reporter.say(f"{move.name} of {release} moved from {move.old} to {move.new}")
        return self._universes[release, arch]

    def _open(self, lock: Lock, release: str, arch: str) -> MergedIndex:
        from .indexes.merged import MergedIndex

        indexes = self._archive.indexes(lock, release, self._releases[release], arch)
        return MergedIndex(indexes, lock.pins(release, arch), self._archive.earlier(lock, release, arch))

    def _remember(self, release: str, arch: str, universe: MergedIndex) -> MergedIndex:
        self._universes[release, arch] = universe
        return universe

    def _find(self, universe: MergedIndex, release: str, name: str) -> Package:
        versions = universe.versions(name)
        if versions:
            return versions[0]
        from .indexes.cache import IndexCache
        from .indexes.local import no_such_package

        raise no_such_package(
            universe, IndexCache(self._cache), self.lock, self._releases, universe.arch, release, name
        )

    def _resolve(self, universe: MergedIndex, key: ClosureKey) -> None:
        """Resolve and lock a new request; resolve all requests again if it needs other versions than the lock has."""
        from .resolver import resolve

        release, arch, names = key
        resolution = resolve(universe, names)
        for name, package in resolution.packages.items():
            pin = self.lock.packages.get((release, arch, name))
            if pin is not None and pin.version != package.version:
                self._resolve_with(release, key)
                return
        for package in resolution.packages.values():
            if (release, arch, package.name) not in self.lock.packages:
                self._add(release, arch, package)
        self.lock.closures[key] = resolution.depends

    def _resolve_with(self, release: str, key: ClosureKey) -> None:
        from .indexes.earlier import prune
        from .relock import moves

        new = self.lock.copy()
        new.closures[key] = {}
        arch = key[1]
        universe = self._resolve_all(new, release, new.pins(release, arch), arch)
        prune(self._archive, new, release, arch, universe)
        moved = moves(release, self.lock, new)
        self.moved += [move for move in moved if move.old is not None]
        new_packages = [(m, m.new) for m in moved if m.old is None and m.new is not None]
        self.added += [AddedPackage(m.release, m.arch, m.name, version) for m, version in new_packages]
        self.file.lock = new

    def _move(
        self,
        release: str,
        loose: set[str] | None,
        *,
        allow_older: bool = False,
        security: bool = False,
        also: str = "",
        tell: bool = True,
    ) -> list[MovedPackage]:
        """Update to the current indexes. Only packages in `loose` (None: all) change version unless they have to.

        The indexes are those of all architectures in the lock, and of `also`. tell: report earlier indexes that are no
        longer available.
        """
        from .indexes.earlier import forget, needed, prune, remember
        from .relock import moves, security_versions

        new = self.lock.copy()
        archs = {arch for r, arch, _ in [*new.packages, *new.closures] if r == release} | {also or self.arch}
        self._archive.refresh(new, release, self._releases[release], archs, allow_older=allow_older)
        forget(new, release)
        universes = {}
        for arch in sorted(archs):
            pins = new.pins(release, arch)
            keep = {name: version for name, version in pins.items() if loose is not None and name not in loose}
            current = self._open(new, release, arch)
            if security:
                keep = pins | security_versions(current, {n: v for n, v in pins.items() if n not in keep})
            for key, found in needed(self.lock, release, arch, current, keep).items():
                remember(self._archive, new, key, found, self._reporter.say if tell else None)
            universes[arch] = self._resolve_all(new, release, keep, arch)
            prune(self._archive, new, release, arch, current)
        moved = moves(release, self.lock, new)
        self.file.lock = new
        for arch, universe in universes.items():
            self._universes[release, arch] = universe.preferring(new.pins(release, arch))
        return moved

    def _resolve_all(self, lock: Lock, release: str, keep: Mapping[str, str], arch: str) -> MergedIndex:
        """Resolve all requests of an architecture in `lock` and update its packages accordingly."""
        from .relock import pin, resolve_all

        universe = self._open(lock, release, arch).preferring(keep)
        requests = [key for key in lock.closures if key[:2] == (release, arch)]
        resolved = resolve_all(universe, [names for _, _, names in requests], keep)
        members = {name for key in requests for name in lock.closures[key]}
        packages = dict(resolved.packages)
        for _, _, name in [key for key in lock.packages if key[:2] == (release, arch)]:
            # A package in no closure was requested on its own, by `package`. Keep it as long as it exists.
            if name not in packages and name not in members and (found := universe.versions(name)):
                packages[name] = found[0]
        old = {key: lock.packages.pop(key) for key in list(lock.packages) if key[:2] == (release, arch)}
        for name, package in packages.items():
            at = (release, arch, name)
            lock.packages[at] = pin(package, lock.suites[release, package.suite].date, old.get(at))
        for key in requests:
            lock.closures[key] = resolved.closures[key[2]]
        return universe

    def _add(self, release: str, arch: str, package: Package) -> PackagePin:
        from .relock import pin

        entry = pin(package, self.lock.suites[release, package.suite].date, None)
        self.lock.packages[release, arch, package.name] = entry
        self.added.append(AddedPackage(release, arch, package.name, package.version))
        return entry

    def _dated(self, archive: str, path: str) -> int | None:
        """Return the date of a locked file, for the snapshot archive; None if the file is not locked."""
        return self.lock.dated(archive, path)


def _entry(release: str, pin: PackagePin, package: Package | None = None) -> PackageRecord:
    more = {"sha512": pin.sha512} if pin.sha512 else {}
    return more | {
        "name": pin.name,
        "version": pin.version,
        "arch": pin.arch,
        "release": release,
        "source": pin.source,
        "source_version": pin.source_version,
        "file": pin.file,
        "archive": pin.archive,
        "sha256": pin.sha256,
        "size": pin.size,
        "date": show_date(pin.date),
        "section": package.section if package is not None else "",
        "description": package.description if package is not None else "",
    }
