"""Build the `fetch` kind: download a file of a declared SHA-256 from the first URL that serves it.

The key holds the digest, the name and the executable bit, but no URL. An interrupted download is resumed by the next
attempt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from fpack.builders.net.errors import HttpError, NotFound
from fpack.builders.net.http import Http
from fpack.builders.net.origins import Origins
from fpack.builders.protocol import BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import chunks

if TYPE_CHECKING:
    from .table import Services

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class FetchBuilder:
    """The builder of `fetch`. args: urls, sha256, size, executable.

    origins: maps a URL of the derivation to the URLs to download from. missing: returns a hint for a file that no URL
    serves any more.
    """

    kind = "fetch"
    network = True

    def __init__(self, http: Http, origins: Origins, missing: Callable[[str], str] = lambda url: "") -> None:
        self._http = http
        self._origins = origins
        self._missing = missing

    def key(self, drv: Derivation) -> Value:
        """Return the declared digest, the name and the executable bit."""
        return ["fetch 1", drv.args["sha256"], drv.name, bool(drv.args.get("executable", False))]

    def build(self, task: Task) -> Built:
        """Download the file, verify it and write it to the store."""
        sha256 = task.args["sha256"]
        if sha256 == "":
            raise self._undeclared(task)
        if not isinstance(sha256, str) or not _SHA256.match(sha256):
            raise BuildError(
                "The sha256 of a fetch is not 64 hexadecimal digits", where=task.name, why=f"it is {sha256!r}"
            )
        urls = [url for declared in task.args["urls"] for url in self._origins(declared)]
        part = task.resume_dir() / "part"
        size = task.args.get("size")
        try:
            done = self._http.download(
                urls, part, size=size, sha256=sha256, progress=task.progress, check=task.check
            )  # fmt: skip
        except HttpError as error:
            if not isinstance(error, NotFound) or error.hint:
                raise
            raise error.with_(hint=self._missing(task.args["urls"][0])) from None
        task.log(f"from {done.url or 'an earlier download'}, {done.size} bytes")
        writer = task.writer()
        writer.file("", chunks(part), bool(task.args.get("executable", False)))
        os.unlink(part)
        return Built(writer)

    def _undeclared(self, task: Task) -> BuildError:
        """Download a file that has no declared digest; return the error that says which one it has."""
        path = task.scratch() / "part"
        urls = [url for declared in task.args["urls"] for url in self._origins(declared)]
        done = self._http.download(urls, path, size=task.args.get("size"), progress=task.progress, check=task.check)
        return BuildError(
            "A fetch has no sha256",
            where=task.name,
            why=f"{done.url} gave {done.size} bytes",
            hint=f'if that is the right file, add: sha256 = "{done.sha256}"',
        )


def make(services: Services) -> FetchBuilder:
    """Return the builder of this kind."""
    from fpack.builders.net.http import Http

    return FetchBuilder(Http(), services.origins, services.missing)
