"""Download files that a project's lock names without a SHA-256, and return their SHA-256.

A file of which the lock has a SHA-1 must match it.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fpack.store import threads
from fpack.store.errors import FpackError

from .errors import shown
from .http import Http

MAX_SIZE = 2 << 30  # bytes
MAX_FILES = 20_000
_WORKERS = 8  # downloads at a time
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")


class DigestDiffers(FpackError):
    """A file that is not the one that a lock names, or a lock that names too many."""

    exit_code = 4


def file_digests(
    files: Mapping[str, str], http: Http, urls: Callable[[str], Sequence[str]], check: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Return the SHA-256 of each file, by its URL; several are downloaded at once.

    files: URL: its SHA-1, or "" if it is unknown. urls: maps a URL to those to download from.
    """
    if len(files) > MAX_FILES:
        raise DigestDiffers("A lock names too many files", why=f"it names {len(files)}; the limit is {MAX_FILES}")
    with tempfile.TemporaryDirectory(prefix="fpack-") as scratch:

        def digest(item: tuple[int, tuple[str, str]]) -> tuple[str, str]:
            number, (url, sha1) = item
            part = Path(scratch, str(number))
            done = http.download(list(urls(url)), part, limit=MAX_SIZE, check=check)
            if sha1:
                with part.open("rb") as file:
                    found = hashlib.file_digest(file, "sha1").hexdigest()
                if not _SHA1.match(sha1) or found != sha1:
                    raise DigestDiffers(
                        "A file differs from the lock",
                        where=shown(url),
                        why=f"its SHA-1 is {found}, and the lock has {sha1}",
                        hint="lock it again with the tool that wrote the lock",
                    )
            part.unlink()
            return url, done.sha256

        with threads.Workers(_WORKERS, "files of a lock") as workers:
            return dict(workers.map(digest, enumerate(sorted(files.items()))))
