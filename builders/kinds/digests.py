"""Build the `digests` kind: download files that a project's lock names without a SHA-256, and return their SHA-256.

The output is a lock: JSON with the SHA-256 of each URL. A file with a weak digest in the project's lock must match it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.net.http import Http
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store import threads

if TYPE_CHECKING:
    from .table import Services

VERSION = 1
FORMAT = 1
MAX_SIZE = 2 << 30
MAX_FILES = 20_000
_WORKERS = 8
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")


class DigestsArgs(NamedTuple):
    """The arguments. files: URL: its SHA-1, or "" if it is unknown."""

    files: Mapping[str, str]


class DigestsBuilder(BaseBuilder):
    """The builder of `digests`. urls: maps a URL to those to download from."""

    version = VERSION
    network = True

    def __init__(self, http: Http, urls: Callable[[str], Sequence[str]]) -> None:
        self._http = http
        self._urls = urls

    def build(self, task: Task) -> Built:
        """Download each file, several at once."""
        files = sorted(arguments.read(DigestsArgs, task.args).files.items())
        if len(files) > MAX_FILES:
            raise BuildError("A lock names too many files", where=task.name, why=f"the limit is {MAX_FILES}")
        scratch = task.scratch()

        def digest(item: tuple[int, tuple[str, str]]) -> tuple[str, str]:
            number, (url, sha1) = item
            part = scratch / str(number)
            done = self._http.download(list(self._urls(url)), part, limit=MAX_SIZE, check=task.check)
            if sha1:
                with part.open("rb") as file:
                    found = hashlib.file_digest(file, "sha1").hexdigest()
                if not _SHA1.match(sha1) or found != sha1:
                    raise BuildError("A file differs from the lock", where=url, why=f"its sha1 is {found}, not {sha1}")
            part.unlink()
            task.log(f"{url} {done.sha256}")
            return url, done.sha256

        with threads.Workers(_WORKERS, "digests") as workers:
            found = dict(workers.map(digest, enumerate(files)))
        writer = task.writer()
        writer.file("", [json.dumps({"files": found, "format": FORMAT}, indent=1, sort_keys=True).encode()])
        return Built(writer)


def make(services: Services) -> DigestsBuilder:
    return DigestsBuilder(services.http(), services.origins)
