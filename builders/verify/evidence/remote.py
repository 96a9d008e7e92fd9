"""Fetch what is not at hand from Debian's archive: packages, indexes and signed releases, each known by its digest.

Nothing is kept: the files lie in a folder that its owner deletes. What the archive answers is checked like what lies on
this machine. The manifest that names these files may be anybody's: only names of such files are asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fpack.builders.debian import index as indexes
from fpack.builders.debian.mirrors import Mirrors
from fpack.builders.debian.release import MAX_SIZE
from fpack.builders.debian.suites import ARCHIVES, File, IndexPin
from fpack.builders.debian.suites import Suite as Where
from fpack.builders.manifest.format import LockedIndex, LockedPackage, LockedSuite
from fpack.builders.net.errors import HttpError, TimedOut, Unreachable
from fpack.builders.net.http import Http
from fpack.builders.verify.findings import VerifyError
from fpack.store.errors import FpackError

MAX_DEB = 4 << 30
_DEB = re.compile(r"pool/[A-Za-z0-9+.~%:_/-]+\.deb\Z")
_INDEX = re.compile(r"[a-z0-9-]+/binary-[a-z0-9-]+/Packages\.(?:xz|gz)\Z")
_SUITE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class Remote:
    """The archive behind mirrors. say: is told what is fetched. After a mirror cannot be reached, nothing is tried."""

    def __init__(self, mirrors: Mirrors, http: Http, folder: Path, say: Callable[[str], None]) -> None:
        self._mirrors = mirrors
        self._http = http
        self._cache = indexes.Cache(folder)
        self._folder = folder
        self._say = say
        self._down: FpackError | None = None

    @contextlib.contextmanager
    def deb(self, pin: LockedPackage) -> Iterator[Path]:
        """Fetch a package's file, and delete it afterwards; an FpackError if it cannot be had."""
        place = self._folder / f"{pin.sha256}.deb"
        try:
            with self._reached():
                if not _DEB.match(pin.file) or pin.size > MAX_DEB:
                    raise VerifyError("The lock names what is no package's file", where=pin.file[:200])
                urls = self._urls(pin.archive, pin.file, pin.date)
                self._say(f"{pin.name} {pin.version}")
                self._http.download(urls, place, size=pin.size, sha256=pin.sha256)
            yield place
        finally:
            place.unlink(missing_ok=True)

    def index(self, suite: LockedSuite, index: LockedIndex) -> Path:
        """Fetch and unpack an index; an FpackError if it cannot be had."""
        pin = IndexPin(index.sha256, index.size, File(index.file, index.packed_size, index.packed_sha256))
        packed = self._folder / f"{index.packed_sha256}.packed"
        with self._reached():
            if not (_INDEX.match(index.file) and _SUITE.match(suite.suite)) or index.size > indexes.MAX_SIZE:
                raise VerifyError("The lock names what is no index", where=index.file[:200])
            self._urls(suite.archive, "dists", suite.date)
            urls = indexes.index_urls(self._mirrors, pin, Where(suite.suite, suite.archive), suite.date)
            self._say(f"the index of {suite.suite}")
            self._http.download(urls, packed, size=index.packed_size, sha256=index.packed_sha256)
            indexes.unpack(packed, self._cache, pin, where=suite.suite)
        packed.unlink()
        return self._cache.text(index.sha256)

    def release(self, suite: LockedSuite) -> Path:
        """Fetch a suite's signed release; an FpackError if no mirror has the one of that digest."""
        place = self._cache.release(suite.sha256)
        failures: list[HttpError] = []
        with self._reached():
            if not _SUITE.match(suite.suite):
                raise VerifyError("The lock names what is no suite", where=suite.suite[:200])
            self._say(f"the signed release of {suite.suite}")
            for url in self._urls(suite.archive, f"dists/{suite.suite}/InRelease", suite.date):
                try:
                    _, data = self._http.get([url], limit=MAX_SIZE)
                except HttpError as error:
                    failures.append(error)
                    continue
                if hashlib.sha256(data).hexdigest() == suite.sha256:
                    place.write_bytes(data)
                    return place
            if failures:
                raise failures[0]
            raise VerifyError(f"No mirror has the release of {suite.suite} that the lock names")

    def _urls(self, archive: str, path: str, date: int) -> list[str]:
        if archive not in ARCHIVES:
            raise VerifyError("The lock names an archive that is not Debian's", where=archive[:200])
        return self._mirrors.urls(archive, path, date)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Try nothing once the archive could not be reached: each try may take a minute."""
        if self._down is not None:
            raise self._down
        try:
            yield
        except (Unreachable, TimedOut) as error:
            self._down = error
            raise
