"""Fetch signed releases and package indexes: the current ones or those pinned by a lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.response import nothing
from fpack.store.settings import MAX_INDEX_DAYS

from .contents.cache import cached_table, contents_pins, fetch_table
from .contents.index import ContentsIndex
from .contents.table import FileTable
from .indexes.cache import IndexCache, newest_seen
from .indexes.download import IndexDownload, IndexGone, kept_release
from .indexes.package_index import PackageIndex, choose, open_index
from .indexes.table import IndexUnusable
from .lock.records import Lock, SuitePin
from .mirrors import Mirrors, mirror_hint
from .release import MAX_SIZE, Release, check_rollback, parse_release, read_release
from .signatures import ReleaseError, find_keyring, verify
from .suites import IndexPin, Suite, labelled, show_date


class ArchiveReporter(Protocol):
    """The listener for messages and progress."""

    def say(self, text: str) -> None:
        """Show a line to the user."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Report a download's progress in bytes. total: 0 if unknown."""


class DebianArchive:
    """Debian's and Ubuntu's archives, accessed through mirrors. Trusts the archives' keyrings and the lock's digests.

    keyring: the file for Debian's archives, as of `find_keyring`.
    """

    def __init__(
        self,
        *,
        cache: Path,
        mirrors: Mirrors,
        http: Http,
        reporter: ArchiveReporter,
        now: Callable[[], float],
        keyring: str | None = None,
        accept_expired: bool = False,
        max_age: float | None = MAX_INDEX_DAYS,
        check: Callable[[], None] = nothing,
    ) -> None:
        self._cache = IndexCache(cache)
        self._mirrors = mirrors
        self._http = http
        self._reporter = reporter
        self._now = now
        self._keyring = keyring
        self._accept_expired = accept_expired
        self._max_age = max_age
        self._check = check

    def refresh(
        self, lock: Lock, release: str, suites: Sequence[Suite], archs: Iterable[str], *, allow_older: bool = False
    ) -> None:
        """Pin in `lock` the current release file of each suite, and the current indexes for `archs`.

        Raise Rollback if a release file is older than the locked one; the lock is unchanged then.
        """
        fresh: dict[str, tuple[Suite, Release]] = {}
        for suite in suites:
            known = lock.suites.get((release, suite.name))
            if suite.name not in fresh:
                fresh[suite.name] = suite, self.current(suite, None if allow_older or known is None else known.date)
        pins = {
            (suite.label, arch): choose(fresh[suite.name][1], arch, suite.component)
            for arch in sorted(set(archs))
            for suite in suites
        }
        lock.suites = {key: pin for key, pin in lock.suites.items() if key[0] != release}
        lock.indexes = {key: pin for key, pin in lock.indexes.items() if key[0] != release}
        for name, (suite, found) in fresh.items():
            lock.suites[release, name] = SuitePin(release, name, suite.archive, found.date, found.until, found.sha256)
        for (label, arch), pin in pins.items():
            lock.indexes[release, label, arch] = pin

    def current(self, suite: Suite, not_before: int | None = None) -> Release:
        """Fetch and verify the current signed release from the first mirror that has a valid one.

        not_before: the date of the locked release; older ones are refused. A release older than the newest one seen on
        this machine is used only if no mirror has a newer one, with a warning.
        """
        refused: ReleaseError | None = None
        failed: HttpError | None = None
        stale: tuple[Release, bytes] | None = None
        keyring = self._keyring_of(suite.archive)
        seen = newest_seen(self._cache, suite.name)
        for url in self._mirrors.urls(suite.archive, f"dists/{suite.name}/InRelease"):
            try:
                _, data = self._http.get([url], limit=MAX_SIZE, check=self._check)
                release = read_release(
                    data,
                    keyring,
                    suite=suite.name,
                    now=self._now(),
                    accept_expired=self._accept_expired,
                    max_age=None if suite.settled else self._max_age,
                    where=url,
                )
                check_rollback(release, not_before, url)
            except ReleaseError as error:
                refused = refused or error
            except HttpError as error:
                failed = failed or error
            else:
                if release.date >= seen:
                    return self._keep(release, data)
                if stale is None or release.date > stale[0].date:
                    stale = release, data
        if stale is not None:
            self._reporter.say(
                f"warning: the index of {suite.name} has the date {show_date(stale[0].date)}, but this machine has "
                f"seen one of {show_date(seen)}: the mirror is out of date, or hides updates"
            )
            return self._keep(*stale)
        raise (
            refused or failed or ReleaseError(f"No mirror is known for {suite.name}", hint=mirror_hint(suite.archive))
        )

    def _keyring_of(self, archive: str) -> Path:
        return find_keyring(self._keyring, archive=archive)

    def _keep(self, release: Release, data: bytes) -> Release:
        self._cache.keep(self._cache.release(release.sha256), data)
        return release

    def pinned(self, pin: SuitePin) -> Release:
        """Return the release of a pinned suite. Raise IndexGone if it is gone."""
        path = self._cache.release(pin.sha256)
        try:
            data = path.read_bytes()
        except OSError:
            data = self._find_release(pin)
            self._cache.keep(path, data)
        if hashlib.sha256(data).hexdigest() != pin.sha256:
            path.unlink(missing_ok=True)
            raise IndexGone(f"The cached release of {pin.suite} is damaged", where=str(path))
        # The release was checked as new when it was locked, and its digest matches the lock; its key may have expired.
        signed = verify(data, self._keyring_of(pin.archive), str(path), now=self._now(), new=False)
        return parse_release(signed.text, pin.sha256, str(path))

    def _find_release(self, pin: SuitePin) -> bytes:
        if (data := kept_release(self._http, pin.sha256, self._check)) is not None:
            return data
        last: HttpError | None = None
        for url in self._mirrors.urls(pin.archive, f"dists/{pin.suite}/InRelease", pin.date):
            try:
                _, data = self._http.get([url], limit=MAX_SIZE, check=self._check)
            except HttpError as error:
                last = error
                continue
            if hashlib.sha256(data).hexdigest() == pin.sha256:
                return data
        raise IndexGone(f"The locked release of {pin.suite} is no longer available", why=str(last or "")) from None

    def indexes(self, lock: Lock, release: str, suites: Sequence[Suite], arch: str) -> list[PackageIndex]:
        """Open the indexes that `lock` pins for a release. Raise IndexGone if one is no longer available.

        The indexes of an architecture that is new to the lock are added to it.
        """
        opened = []
        for suite in suites:
            pin = lock.suites.get((release, suite.name))
            if pin is None:
                raise IndexGone(f"The lock has no pin for {suite.name}")
            key = (release, suite.label, arch)
            if key not in lock.indexes:
                lock.indexes[key] = choose(self.pinned(pin), arch, suite.component)
            opened.append(self.open(lock.indexes[key], suite, arch, pin.date))
        return opened

    def earlier(self, lock: Lock, release: str, arch: str) -> list[PackageIndex]:
        """Open the earlier indexes that `lock` has for a release. Raise IndexGone if one is no longer available."""
        return [
            self.open(found.pin, labelled(label, found.suite.archive), arch, found.suite.date)
            for (r, label, a, _), found in sorted(lock.earlier.items(), key=lambda item: -item[1].suite.date)
            if (r, a) == (release, arch)
        ]

    def contents(self, lock: Lock, release: str, suites: Sequence[Suite], arch: str) -> ContentsIndex:
        """Open the index of files of a release: of the suites that `lock` pins, else of the current ones.

        Suites without such an index are left out: a package of theirs has a version in the main suite. Raise IndexGone
        if an index is no longer available.
        """
        tables: list[FileTable] = []
        dates: list[int] = []
        for suite in suites:
            locked = lock.suites.get((release, suite.name))
            found = self.current(suite) if locked is None else self.pinned(locked)
            dates.append(found.date)
            for pin in contents_pins(found.files, arch, suite.component):
                table = cached_table(self._cache, pin)
                if table is None:
                    what = f"files of {suite.name} for {arch}"
                    table = fetch_table(self._download(pin, suite, found.date, what))
                tables.append(table)
        if not tables:
            raise IndexUnusable(f"{release} has no index of files for {arch}")
        return ContentsIndex(release, arch, max(dates), tables)

    def _download(self, pin: IndexPin, suite: Suite, date: int, what: str) -> IndexDownload:
        progress = partial(self._reporter.progress, what)
        return IndexDownload(self._cache, pin, suite, date, self._mirrors, self._http, progress, self._check)

    def open(self, pin: IndexPin, suite: Suite, arch: str, date: int) -> PackageIndex:
        """Open one index, from the cache or the mirrors. date: when the archive had it (Unix seconds)."""
        return open_index(self._download(pin, suite, date, f"{suite.name} packages for {arch}"), arch)
