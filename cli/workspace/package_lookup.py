"""Look up packages of Debian and Ubuntu without locking them, from the cache if possible."""

from __future__ import annotations

import time
from functools import cached_property

from fpack.cli.paths import cache_directory
from fpack.light_typing import TYPE_CHECKING
from fpack.store import DAY
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.debian.contents.index import ContentsIndex
    from fpack.builders.debian.indexes.cache import IndexCache
    from fpack.builders.debian.indexes.local import AtHand
    from fpack.builders.debian.indexes.merged import MergedIndex
    from fpack.builders.debian.lock.records import Lock
    from fpack.builders.debian.repository import DebianArchive

    from .workspace import Workspace


class Packages:
    """The packages of one release, as the workspace's lock pins them, or as the cache or the archive has them.

    arch: another architecture than that of what is built for.
    """

    def __init__(self, workspace: Workspace, release: str | None = None, arch: str | None = None) -> None:
        from fpack.builders.debian.package_source import NoSuchRelease
        from fpack.builders.debian.suites import ALL_RELEASES, ARCHITECTURES
        from fpack.cli.errors import UsageError

        self.arch = arch or workspace.arch
        if self.arch not in ARCHITECTURES:
            raise UsageError(
                f"There is no architecture {self.arch!r} of Debian", hint=f"use one of {', '.join(ARCHITECTURES)}"
            )
        self._workspace = workspace
        self.release = release or self._default()
        if self.release not in ALL_RELEASES:
            raise NoSuchRelease(
                f"There is no release {self.release!r} of Debian or Ubuntu",
                hint=f"use one of {', '.join(sorted(ALL_RELEASES))}",
            )
        self.suites = ALL_RELEASES[self.release]

    @cached_property
    def lock(self) -> Lock:
        """The content of the lock on disk."""
        return self._workspace.read_lock()

    def _default(self) -> str:
        """Return the project's release, or the newest stable one."""
        from fpack.builders.debian.suites import STABLE

        releases = self.lock.releases()
        return STABLE if STABLE in releases or not releases else releases[0]

    def of(self, release: str) -> Packages:
        """Return the packages of another release, for the same architecture."""
        return Packages(self._workspace, release, self.arch)

    @cached_property
    def cache(self) -> IndexCache:
        """The indexes of this machine."""
        from fpack.builders.debian.indexes.cache import IndexCache

        return IndexCache(cache_directory() / "debian")

    @cached_property
    def at_hand(self) -> list[AtHand]:
        """The indexes of the release."""
        from fpack.builders.debian.indexes.local import at_hand

        return at_hand(self.cache, self.lock, self.release, self.suites, self.arch, lambda: archive(self._workspace))

    @cached_property
    def universe(self) -> MergedIndex:
        """The packages; locked versions precede newer ones."""
        from fpack.builders.debian.indexes.merged import MergedIndex

        return MergedIndex([index.opened for index in self.at_hand], self.lock.pins(self.release, self.arch))

    @cached_property
    def contents(self) -> ContentsIndex:
        """The index of files: of the locked suites, else of the newest ones in the cache. It is fetched if missing."""
        return self._contents(self.lock)

    def cached_contents(self, lock: Lock | None = None, *, exact: bool = False) -> ContentsIndex | None:
        """Return the index of files if the cache has it. Nothing is fetched.

        lock: instead of the workspace's. exact: only the one of the newest releases that the cache has.
        """
        from fpack.builders.debian.contents.cache import open_cached

        lock = self.lock if lock is None else lock
        return open_cached(self.cache, lock, self.release, self.suites, self.arch, exact=exact)

    def _contents(self, lock: Lock) -> ContentsIndex:
        from fpack.builders.debian.indexes.download import IndexGone
        from fpack.builders.debian.lock.records import Lock as EmptyLock
        from fpack.cli.ui.render import note

        found = self.cached_contents(lock, exact=True)
        if found is not None:
            return found
        try:
            return archive(self._workspace).contents(lock, self.release, self.suites, self.arch)
        except FpackError as error:
            is_gone = isinstance(error, IndexGone)
            if is_gone and any(release == self.release for release, _ in lock.suites):
                current = self._contents(EmptyLock())
                note(f"the locked index of files of {self.release} is no longer available; the current one is used")
                return current
            older = self.cached_contents(lock)
            if older is not None:
                note(
                    f"an older index of files of {self.release} is used, since the newest is unavailable: {error.what}"
                )
                return older
            if not is_gone:
                raise
            hint = "the mirror's files may be newer than its signed index; try later, or another --mirror"
            raise error.with_(hint=hint) from None

    def absent(self, name: str) -> FpackError:
        """Return the error for a missing package, with the releases that have it, or with similar names."""
        from fpack.builders.debian.indexes.local import no_such_package
        from fpack.builders.debian.suites import ALL_RELEASES

        return no_such_package(self.universe, self.cache, self.lock, ALL_RELEASES, self.arch, self.release, name)

    @property
    def age(self) -> float:
        """The age of the newest index, in days."""
        return (time.time() - max(index.date for index in self.at_hand)) / DAY


def archive(workspace: Workspace) -> DebianArchive:
    """Return the archives of the distributions, as the options of a command reach and judge them."""
    from fpack.builders.debian.repository import DebianArchive
    from fpack.cli.ui.progress import IndexProgress
    from fpack.store.settings import ACCEPT_EXPIRED, MAX_INDEX_AGE

    return DebianArchive(
        cache=cache_directory() / "debian",
        mirrors=workspace.mirrors,
        http=workspace.http(),
        reporter=IndexProgress(),
        now=time.time,
        accept_expired=workspace.options.accept_expired or ACCEPT_EXPIRED.find(),
        max_age=MAX_INDEX_AGE.find(workspace.options.max_index_age),
    )
