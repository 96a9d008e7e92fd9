"""Name the files of the cache of package indexes and signed releases, keep them, and delete those that are not used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fpack.store import DAY
from fpack.store.files.owners import exposed, make_directories, open_to_others

from ..release import directory_name
from ..suites import IndexPin
from .table import FORMAT, IndexUnusable

UNUSED = 90 * DAY
_HEAD = 4096  # bytes of a release in which its fields stand
_MAX_RELEASE = 1 << 20  # bytes
_SUITE = re.compile(rb"^Suite:[ \t]*(\S+)", re.MULTILINE)
_CODENAME = re.compile(rb"^Codename:[ \t]*(\S+)", re.MULTILINE)
_DATE = re.compile(rb"^Date:[ \t]*(.+)", re.MULTILINE)


class IndexCache:
    """The directory of uncompressed indexes, shared by all processes. It can be deleted at any time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> None:
        """Create the directory if needed. Raise IndexUnusable if other users can change its content."""
        if found := exposed(os.fspath(self.directory)):
            raise IndexUnusable(
                "Another user can change the cached package indexes",
                where=found.path,
                why=found.why,
                hint="set XDG_CACHE_HOME to a directory of your own",
            )
        make_directories(os.fspath(self.directory))

    def text(self, pin: IndexPin) -> Path:
        return self.directory / f"{pin.key}.packages"

    def table(self, pin: IndexPin) -> Path:
        return self.directory / f"{pin.key}.offsets{FORMAT}"

    def release(self, sha256: str) -> Path:
        """Return the path of the signed release with this digest."""
        return self.directory / f"{sha256}.InRelease"

    def tidy(self) -> None:
        """Delete indexes unused for 90 days, and temporary files older than a day."""
        now = time.time()
        for path in self.directory.iterdir():
            text = path.with_suffix(".packages")  # the files of one index expire together
            with contextlib.suppress(OSError):
                used = max(path.stat().st_mtime, text.stat().st_mtime if text.exists() else 0)
                if used < now - (DAY if path.name.startswith("new-") else UNUSED):
                    path.unlink()

    def keep(self, path: Path, data: bytes) -> None:
        """Write a file of the cache atomically."""
        self.make()
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix="new-", delete=False) as file:
            try:
                file.write(data)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise


def newest_seen(cache: IndexCache, suite: str) -> int:
    """Return the date of the newest release of a suite in the cache (Unix seconds); 0 if there is none."""
    return max((when for name, when, _ in cached_releases(cache) if name == suite), default=0)


def cached_releases(cache: IndexCache) -> Iterator[tuple[str, int, bytes]]:
    """Yield (suite's directory, date, text) of each release in the cache. They were verified when they were fetched."""
    from email.utils import parsedate_to_datetime

    try:
        paths = sorted(cache.directory.glob("*.InRelease"))
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError, ValueError, TypeError, OverflowError), path.open("rb") as file:
            data = b"" if open_to_others(os.fstat(file.fileno())) else file.read(_MAX_RELEASE)
            if hashlib.sha256(data).hexdigest() != path.name.partition(".")[0]:
                continue
            suite, codename, date = (pattern.search(data, 0, _HEAD) for pattern in (_SUITE, _CODENAME, _DATE))
            if codename and date:
                name = directory_name(suite[1].decode() if suite else "", codename[1].decode())
                yield name, int(parsedate_to_datetime(date[1].decode()).timestamp()), data
