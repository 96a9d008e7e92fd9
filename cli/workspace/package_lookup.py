"""Look up Debian packages without locking them, from the cache if possible."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from fpack.cli.paths import cache_directory
from fpack.store import DAY
from fpack.store.errors import FpackError

from .workspace import Workspace

if TYPE_CHECKING:
    from fpack.builders.debian.local_indexes import AtHand
    from fpack.builders.debian.lock import Lock
    from fpack.builders.debian.merged_index import MergedIndex
    from fpack.builders.debian.repository import DebianArchive


class Packages:
    """The packages of one release, as the workspace's lock pins them, or as the cache or the archive has them."""

    def __init__(self, workspace: Workspace, release: str | None = None) -> None:
        from fpack.builders.debian.package_source import NoSuchRelease
        from fpack.builders.debian.suites import RELEASES

        self._workspace = workspace
        self.release = release or self._default()
        if self.release not in RELEASES:
            raise NoSuchRelease(
                f"There is no release {self.release!r} of Debian", hint=f"there are {', '.join(sorted(RELEASES))}"
            )
        self.suites = RELEASES[self.release]
        self.arch = workspace.arch

    @cached_property
    def lock(self) -> Lock:
        """The content of the lock on disk."""
        return self._workspace.read_lock()

    def _default(self) -> str:
        """Return the project's release, or the newest stable one."""
        from fpack.builders.debian.suites import STABLE

        releases = self.lock.releases()
        return STABLE if STABLE in releases or not releases else releases[0]

    @cached_property
    def at_hand(self) -> list[AtHand]:
        """The indexes of the release."""
        from fpack.builders.debian.index import IndexCache
        from fpack.builders.debian.local_indexes import at_hand

        cache = IndexCache(cache_directory() / "debian")
        return at_hand(cache, self.lock, self.release, self.suites, self.arch, self._archive)

    @cached_property
    def universe(self) -> MergedIndex:
        """The packages; locked versions precede newer ones."""
        from fpack.builders.debian.merged_index import MergedIndex

        return MergedIndex([index.opened for index in self.at_hand], self.lock.pins(self.release, self.arch))

    def absent(self, name: str) -> FpackError:
        """Return the error for a missing package, with the releases that have it, or with similar names."""
        from fpack.builders.debian.index import IndexCache
        from fpack.builders.debian.package_source import NoSuchPackage
        from fpack.builders.debian.suggestions import elsewhere, hint
        from fpack.builders.debian.suites import RELEASES

        cache = IndexCache(cache_directory() / "debian")
        others = elsewhere(cache, self.lock, RELEASES, self.arch, name, self.release)
        return NoSuchPackage(
            f"There is no package {name!r} in {self.release} for {self.arch}", hint=hint(self.universe, name, others)
        )

    @property
    def age(self) -> float:
        """The age of the newest index, in days."""
        return (time.time() - max(index.date for index in self.at_hand)) / DAY

    def _archive(self) -> DebianArchive:
        from fpack.builders.debian.repository import DebianArchive
        from fpack.builders.net.http import Http
        from fpack.cli.ui.progress import IndexProgress
        from fpack.store.settings import ACCEPT_EXPIRED, MAX_INDEX_AGE

        return DebianArchive(
            cache=cache_directory() / "debian",
            mirrors=self._workspace.mirrors,
            http=Http(),
            reporter=IndexProgress(),
            now=time.time,
            accept_expired=self._workspace.options.accept_expired or ACCEPT_EXPIRED.find(),
            max_age=MAX_INDEX_AGE.find(self._workspace.options.max_index_age),
        )
