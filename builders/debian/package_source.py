"""Debian as a source of packages: answers from the lock, and adds to it what is asked for the first time.

This module is all that an evaluation with a complete lock loads; indexes, the resolver and the network come in only
when something is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.store.errors import FpackError
from fpack.store.settings import ACCEPT_EXPIRED

from .lock import ClosureKey, Lock, LockFile, PackagePin
from .suites import RELEASES, Suite, show_date

if TYPE_CHECKING:
    from fpack.builders.net.http import Http

    from .merged_index import Merged
    from .mirrors import Mirrors
    from .package import Package
    from .relock import Moved
    from .repository import Archive, Reporter

DAY = 24 * 3600.0

Entry = dict[str, Any]


class NoSuchRelease(FpackError):
    """A release that fpack does not know."""

    exit_code = 4


class NoSuchPackage(FpackError):
    """A package that a release does not have; in the language, `or` may stand in for it."""

    exit_code = 4
    absent = True


class Frozen(FpackError):
    """Something is missing from the lock, and may not be added to it."""

    exit_code = 4


class Added(NamedTuple):
    """A package that was locked for the first time."""

    release: str
    arch: str
    name: str
    version: str


class Silent:
    """A reporter that says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing."""


class DebianSource:
    """The packages of Debian's releases for one architecture, as a lock pins them.

    `added` and `moved` list what changed in the lock since the source was made; `save` writes it. With `frozen`, what
    is missing is an error. Entries that come from the lock have an empty section and description. max_age: what the
    option `--max-index-age` says.
    """

    def __init__(
        self,
        lock: LockFile,
        *,
        arch: str,
        cache: Path,
        mirrors: Mirrors,
        http: Http,
        frozen: bool = False,
        reporter: Reporter | None = None,
        now: Callable[[], float] = time.time,
        releases: Mapping[str, Sequence[Suite]] = RELEASES,
        keyring: str | None = None,
        accept_expired: bool | None = None,
        max_age: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.file = lock
        self.arch = arch
        self.frozen = frozen
        self.added: list[Added] = []
        self.moved: list[Moved] = []
        self._cache = cache
        self._mirrors = mirrors
        self._http = http
        self._reporter: Reporter = reporter or Silent()
        self._now = now
        self._releases = releases
        self._keyring = keyring
        self._accept_expired = ACCEPT_EXPIRED.find() if accept_expired is None else accept_expired
        self._max_age = max_age
        self._check = check
        self._universes: dict[tuple[str, str], Merged] = {}
        mirrors.dated = self._dated

    @property
    def lock(self) -> Lock:
        """The lock's content."""
        return self.file.lock

    # What an evaluation asks.

    def releases(self) -> list[str]:
        """The names of the releases, sorted."""
        return sorted(self._releases)

    def package(self, release: str, name: str) -> Entry:
        """One package: name, version, arch, release, source, source_version, file, archive, sha256, size, date,
        section, description. NoSuchPackage with the nearest names if there is none."""
        self._check_release(release)
        pin = self.lock.packages.get((release, self.arch, name))
        if pin is not None:
            return _entry(release, pin)
        self._forbid_if_frozen(release, name)
        universe = self._universe(release, (name,))
        pin = self.lock.packages.get((release, self.arch, name))  # opening the indexes may have moved to newer ones
        package = self._find(universe, release, name)
        if pin is None:
            pin = self._add(release, package)
        return _entry(release, pin, package)

    def closure(self, release: str, names: Sequence[str]) -> list[Entry]:
        """What `names` come to with all their dependencies, sorted by name: entries as of `package`, with `depends`."""
        self._check_release(release)
        wanted = tuple(sorted(set(names)))
        key = (release, self.arch, wanted)
        if key not in self.lock.closures:
            self._forbid_if_frozen(release, " ".join(wanted))
            universe = self._universe(release, wanted)
            for name in wanted:
                self._find(universe, release, name)
            if key not in self.lock.closures:
                self._resolve(universe, key)
        depends = self.lock.closures[key]
        packages = self.lock.packages
        return [
            _entry(release, packages[release, self.arch, n]) | {"depends": list(depends[n])} for n in sorted(depends)
        ]

    def save(self) -> None:
        """Write the lock if it changed."""
        self.file.save()

    # Keeping the lock up to date.

    def update(
        self,
        releases: Iterable[str] | None = None,
        packages: Iterable[str] | None = None,
        *,
        allow_older: bool = False,
    ) -> list[Moved]:
        """Pin the current indexes of these releases (all that are locked, by default), and resolve all requests anew.

        With `packages`, the others keep their versions where the archive still has them and they still fit. Returns
        what moved. When it fails, the lock is unchanged.
        """
        if self.frozen:
            raise Frozen("The lock is frozen", where=str(self.file.path), hint="run without --frozen to update it")
        moved: list[Moved] = []
        for release in sorted(set(releases)) if releases is not None else self.lock.releases():
            self._check_release(release)
            loose = None if packages is None else set(packages)
            moved += self._move(release, loose, allow_older=allow_older)
        self.moved += moved
        return moved

    def refresh_if_old(self, max_age: float = DAY) -> list[Moved]:
        """Update a lock that was last known to be current over `max_age` seconds ago, or warn if that cannot be."""
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
            days = int(age // DAY)
            self._reporter.say(
                f"warning: the package lock is {days} day{'' if days == 1 else 's'} old "
                f"and cannot be refreshed: {error}"
            )
            return []
        self.save()
        self.file.confirm(self._now())
        return moved

    # Within.

    def _check_release(self, release: str) -> None:
        if release not in self._releases:
            raise NoSuchRelease(
                f"There is no release {release!r} of Debian", hint=f"there are {', '.join(sorted(self._releases))}"
            )

    def _forbid_if_frozen(self, release: str, what: str) -> None:
        if self.frozen:
            raise Frozen(
                f"The lock has no entry for {what} of {release} for {self.arch}, and it is frozen",
                where=str(self.file.path),
                hint="run once without --frozen, and keep the lock that this makes",
            )

    @cached_property
    def _archive(self) -> Archive:
        from fpack.store.settings import MAX_INDEX_AGE

        from .repository import Archive

        return Archive(
            cache=self._cache,
            mirrors=self._mirrors,
            http=self._http,
            reporter=self._reporter,
            now=self._now,
            keyring=self._keyring,
            accept_expired=self._accept_expired,
            max_age=MAX_INDEX_AGE.find(self._max_age),
            check=self._check,
        )

    def _universe(self, release: str, wanted: Sequence[str]) -> Merged:
        """The release's packages as the lock pins them, or as they are now when it pins none that can be had."""
        found = self._universes.get((release, self.arch))
        if found is not None:
            return found
        from .index import IndexGone

        if not any(key[0] == release for key in self.lock.suites):
            new = self.lock.copy()
            self._archive.refresh(new, release, self._releases[release], [self.arch])
            universe = self._open(new, release, self.arch)
            self.file.lock = new
            return self._remember(release, self.arch, universe)
        try:
            return self._remember(release, self.arch, self._open(self.lock, release, self.arch))
        except IndexGone as error:
            dates = [pin.date for (r, _), pin in self.lock.suites.items() if r == release]
            self._reporter.say(
                f"The package lists of {release} that the lock names ({show_date(max(dates))}) are gone; "
                f"{', '.join(wanted)} will come from the current ones. {error}"
            )
        moved = self._move(release, set())
        self.moved += moved
        for move in moved:
            self._reporter.say(f"{move.name} of {release} moved from {move.old} to {move.new}")
        return self._universes[release, self.arch]

    def _open(self, lock: Lock, release: str, arch: str) -> Merged:
        from .merged_index import Merged

        return Merged(self._archive.indexes(lock, release, self._releases[release], arch), lock.pins(release, arch))

    def _remember(self, release: str, arch: str, universe: Merged) -> Merged:
        self._universes[release, arch] = universe
        return universe

    def _find(self, universe: Merged, release: str, name: str) -> Package:
        versions = universe.versions(name)
        if versions:
            return versions[0]
        from .index import Cache
        from .suggestions import elsewhere, hint

        others = elsewhere(Cache(self._cache), self.lock, self._releases, self.arch, name, release)
        raise NoSuchPackage(
            f"There is no package {name!r} in {release} for {self.arch}", hint=hint(universe, name, others)
        )

    def _resolve(self, universe: Merged, key: ClosureKey) -> None:
        """Resolve a new request and lock it; all others, too, if it needs another version of what is locked."""
        from .resolver import resolve

        release, _, names = key
        resolution = resolve(universe, names)
        for name, package in resolution.packages.items():
            pin = self.lock.packages.get((release, self.arch, name))
            if pin is not None and pin.version != package.version:
                self._settle_with(release, key)
                return
        for package in resolution.packages.values():
            if (release, self.arch, package.name) not in self.lock.packages:
                self._add(release, package)
        self.lock.closures[key] = resolution.depends

    def _settle_with(self, release: str, key: ClosureKey) -> None:
        from .relock import moves

        new = self.lock.copy()
        new.closures[key] = {}
        self._settle(new, release, new.pins(release, self.arch), self.arch)
        moved = moves(release, self.lock, new)
        self.moved += [move for move in moved if move.old is not None]
        self.added += [Added(m.release, m.arch, m.name, m.new) for m in moved if m.old is None and m.new is not None]
        self.file.lock = new

    def _move(self, release: str, loose: set[str] | None, *, allow_older: bool = False) -> list[Moved]:
        """Go to the current indexes; the packages in `loose` (None: all) may move, the others where they must."""
        from .relock import moves

        new = self.lock.copy()
        archs = {arch for r, arch, _ in [*new.packages, *new.closures] if r == release} | {self.arch}
        self._archive.refresh(new, release, self._releases[release], archs, allow_older=allow_older)
        universes = {}
        for arch in sorted(archs):
            keep = {} if loose is None else {n: v for n, v in new.pins(release, arch).items() if n not in loose}
            universes[arch] = self._settle(new, release, keep, arch)
        moved = moves(release, self.lock, new)
        self.file.lock = new
        for arch, universe in universes.items():
            self._universes[release, arch] = universe.preferring(new.pins(release, arch))
        return moved

    def _settle(self, lock: Lock, release: str, keep: Mapping[str, str], arch: str) -> Merged:
        """Resolve all requests of an architecture in `lock`, and bring its packages into line."""
        from .relock import pin, settle

        universe = self._open(lock, release, arch).preferring(keep)
        requests = [key for key in lock.closures if key[:2] == (release, arch)]
        settled = settle(universe, [names for _, _, names in requests], keep)
        members = {name for key in requests for name in lock.closures[key]}
        packages = dict(settled.packages)
        for _, _, name in [key for key in lock.packages if key[:2] == (release, arch)]:
            # A package that no closure held was asked for alone. It stays as long as it exists.
            if name not in packages and name not in members and (found := universe.versions(name)):
                packages[name] = found[0]
        old = {key: lock.packages.pop(key) for key in list(lock.packages) if key[:2] == (release, arch)}
        for name, package in packages.items():
            at = (release, arch, name)
            lock.packages[at] = pin(package, lock.suites[release, package.suite].date, old.get(at))
        for key in requests:
            lock.closures[key] = settled.closures[key[2]]
        return universe

    def _add(self, release: str, package: Package) -> PackagePin:
        from .relock import pin

        entry = pin(package, self.lock.suites[release, package.suite].date, None)
        self.lock.packages[release, self.arch, package.name] = entry
        self.added.append(Added(release, self.arch, package.name, package.version))
        return entry

    def _dated(self, archive: str, path: str) -> int | None:
        """When a locked file was in its archive: for the snapshot archive."""
        return next((p.date for p in self.lock.packages.values() if p.file == path and p.archive == archive), None)


def _entry(release: str, pin: PackagePin, package: Package | None = None) -> Entry:
    return {
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
