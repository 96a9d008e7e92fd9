"""Download packages, indexes and signed Release files from a distribution's archive, each identified by its digest.

The files lie in a temporary directory of the caller. Downloads are checked like local files. The manifest that names
the files is not trusted, so only valid names of such files are requested.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fpack.builders.debian.indexes import download
from fpack.builders.debian.indexes.cache import IndexCache
from fpack.builders.debian.mirrors import Mirrors
from fpack.builders.debian.release import MAX_SIZE
from fpack.builders.debian.suites import ARCHIVES, IndexPin, SuiteFile
from fpack.builders.debian.suites import Suite as Where
from fpack.builders.manifest.format import LockedIndex, LockedPackage, LockedSuite
from fpack.builders.net.errors import HttpError, TimedOut, Unreachable
from fpack.builders.net.http import Http
from fpack.builders.verify.findings import VerifyError
from fpack.store.errors import FpackError

MAX_DEB = 4 << 30  # bytes
_DEB = re.compile(r"pool/[A-Za-z0-9+.~%:_/-]+\.deb\Z")
_INDEX = re.compile(r"[a-z0-9-]+/binary-[a-z0-9-]+/Packages\.(?:xz|gz)\Z")
_SUITE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class Remote:
    """The archive behind mirrors. say: receives a text for each download.

    After the mirrors were unreachable once, every later request fails at once.
    """

    def __init__(self, mirrors: Mirrors, http: Http, directory: Path, say: Callable[[str], None]) -> None:
        self._mirrors = mirrors
        self._http = http
        self._cache = IndexCache(directory)
        self._directory = directory
        self._say = say
        self._down: FpackError | None = None

    @contextlib.contextmanager
    def deb(self, pin: LockedPackage) -> Iterator[Path]:
        """Download a package's file, and delete it afterwards. Raise FpackError if it is unavailable."""
        path = self._directory / f"{pin.sha256 or pin.sha512}.deb"
        try:
            with self._reached():
                if not _DEB.match(pin.file) or pin.size > MAX_DEB:
                    raise VerifyError("The lock names an invalid file of a package", where=pin.file[:200])
                urls = self._urls(pin.archive, pin.file, pin.date)
                self._say(f"{pin.name} {pin.version}")
                self._http.download(urls, path, size=pin.size, sha256=pin.sha256, sha512=pin.sha512)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def index(self, suite: LockedSuite, index: LockedIndex) -> Path:
        """Download and decompress an index. Raise FpackError if it is unavailable."""
        file = SuiteFile(index.file, index.packed_size, index.packed_sha256, index.packed_sha512)
        pin = IndexPin(index.sha256, index.size, file, index.sha512)
        packed = self._directory / f"{index.packed_sha256 or index.packed_sha512}.packed"
        with self._reached():
            if not (_INDEX.match(index.file) and _SUITE.match(suite.suite)) or index.size > download.MAX_SIZE:
                raise VerifyError("The lock names an invalid index", where=index.file[:200])
            self._urls(suite.archive, "dists", suite.date)
            urls = download.index_urls(self._mirrors, pin, Where(suite.suite, suite.archive), suite.date)
            self._say(f"the index of {suite.suite}")
            self._http.download(urls, packed, size=file.size, sha256=file.sha256, sha512=file.sha512)
            download.unpack(packed, self._cache, pin, where=suite.suite)
        packed.unlink()
        return self._cache.text(pin)

    def release(self, suite: LockedSuite) -> Path:
        """Download a suite's signed Release file. Raise FpackError if no mirror has the one with the locked digest."""
        path = self._cache.release(suite.sha256)
        failures: list[HttpError] = []
        with self._reached():
            if not _SUITE.match(suite.suite):
                raise VerifyError("The lock names an invalid suite", where=suite.suite[:200])
            self._say(f"the signed release of {suite.suite}")
            if (kept := download.kept_release(self._http, suite.sha256)) is not None:
                path.write_bytes(kept)
                return path
            for url in self._urls(suite.archive, f"dists/{suite.suite}/InRelease", suite.date):
                try:
                    _, data = self._http.get([url], limit=MAX_SIZE)
                except HttpError as error:
                    failures.append(error)
                    continue
                if hashlib.sha256(data).hexdigest() == suite.sha256:
                    path.write_bytes(data)
                    return path
            if failures:
                raise failures[0]
            raise VerifyError(f"No mirror has the release of {suite.suite} that the lock names")

    def _urls(self, archive: str, path: str, date: int) -> list[str]:
        if archive not in ARCHIVES:
            raise VerifyError("The lock names an archive that is not Debian's or Ubuntu's", where=archive[:200])
        return self._mirrors.urls(archive, path, date)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Remember that the archive is unreachable, since each attempt may take a minute."""
        if self._down is not None:
            raise self._down
        try:
            yield
        except (Unreachable, TimedOut) as error:
            self._down = error
            raise
