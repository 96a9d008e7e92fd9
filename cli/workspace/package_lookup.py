"""Debian's packages to look at, not to use: from the cache where it has them, and nothing is locked by it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.paths import cache_directory
from fpack.store.errors import FpackError

from .workspace import Workspace, curated

if TYPE_CHECKING:
    from fpack.builders.debian.local_indexes import AtHand
    from fpack.builders.debian.lock import Lock
    from fpack.builders.debian.merged_index import MergedIndex
    from fpack.builders.debian.repository import DebianArchive


class Packages:
    """The packages of one release, as a workspace's lock pins them, or as the cache or the archive has them."""

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
        """The lock's content, as it is on disk."""
        return self._workspace.read_lock()

    def _default(self) -> str:
        """The project's release where it has one, else the newest stable one."""
        from fpack.builders.debian.suites import STABLE

        releases = self.lock.releases()
        return STABLE if STABLE in releases or not releases else releases[0]

    @cached_property
    def at_hand(self) -> list[AtHand]:
        """The release's indexes."""
        from fpack.builders.debian.index import IndexCache
        from fpack.builders.debian.local_indexes import at_hand

        cache = IndexCache(cache_directory() / "debian")
        return at_hand(cache, self.lock, self.release, self.suites, self.arch, self._archive)

    @cached_property
    def universe(self) -> MergedIndex:
        """The packages, those that are locked before newer ones."""
        from fpack.builders.debian.merged_index import MergedIndex

        return MergedIndex([each.opened for each in self.at_hand], self.lock.pins(self.release, self.arch))

    def absent(self, name: str) -> FpackError:
        """The error that there is no package of this name, with the releases that have it, or the nearest names."""
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
        """How old the newest of the indexes is, in days."""
        return (time.time() - max(each.date for each in self.at_hand)) / 86400

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


class Curated(NamedTuple):
    """A curated package: its name, and what its file says of it at the top."""

    name: str
    summary: str


def curated_packages() -> list[Curated]:
    """The curated packages, sorted."""
    places: Mapping[str, Path] = curated()
    return [Curated(name, _summary(place)) for name, place in sorted(places.items())]


def _summary(place: Path) -> str:
    """The first sentence of the comment that a file begins with."""
    words: list[str] = []
    try:
        with place.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                text = line.removeprefix("#").strip()
                if not line.startswith("#") or not text:
                    break
                words.append(text)
    except OSError as error:
        raise FpackError("A curated package cannot be read", where=str(place), why=error.strerror or "") from None
    return " ".join(words).partition(". ")[0].removesuffix(".")
