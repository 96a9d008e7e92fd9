"""Build the `npm` kind: download a package's archive and verify it against the integrity in package-lock.json.

The lock records the URL that the archive came from. npm itself asks its configured registry, so the builder tries that
registry first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from fpack.builders import arguments
from fpack.builders.net.errors import Forbidden, HttpError, NotFound, combined
from fpack.builders.net.http import Http
from fpack.builders.net.kept_files import WantedFile, download_kept
from fpack.builders.net.language_packages.tool_settings import npm_registry
from fpack.builders.net.origins import Origins
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import chunks

if TYPE_CHECKING:
    from .table import Services

VERSION = 1


MAX_SIZE = 2 << 30  # bytes
# Strongest first. Old locks have only sha1, which is not collision-resistant and so is not accepted.
_ALGORITHMS = ("sha512", "sha384", "sha256")


class NpmArgs(NamedTuple):
    """The arguments. path: within a registry. url: as locked, or "". integrity: `sha512-<base64>`."""

    path: str
    url: str
    integrity: str


class NpmBuilder(BaseBuilder):
    """The builder of `npm`. Its output is the archive.

    origins: maps a URL of the lock to the URLs to download from.
    """

    version = VERSION
    network = True

    def __init__(self, http: Http, origins: Origins) -> None:
        self._http = http
        self._origins = origins

    def key(self, drv: Derivation) -> Value:
        return [f"npm {VERSION}", arguments.read(NpmArgs, drv.args).integrity, drv.name]

    def build(self, task: Task) -> Built:
        """Download the archive, verify it and write it to the store."""
        args = arguments.read(NpmArgs, task.args)
        algorithm, wanted = digest(args.integrity, task.name)
        failures: list[HttpError] = []
        part = task.scratch() / "archive"
        is_locked = lambda path: _digest_of(path, algorithm) == wanted  # noqa: E731
        file = WantedFile(aliases=(f"{algorithm}:{wanted.hex()}",))
        where = download_kept(self._http.kept, file, part, is_locked, limit=MAX_SIZE, check=task.check)
        if where:
            return self._built(task, part, where)
        urls = addresses(args.url, args.path, npm_registry())
        if not urls:
            why = "the lock has no URL for it, and without npm the configured registry is unknown"
            raise BuildError(f"There is no URL to download {task.name} from", why=why, hint="install npm")
        for url in urls:
            try:
                self._http.download(self._origins(url), part, limit=MAX_SIZE, progress=task.progress, check=task.check)
            except HttpError as error:
                failures.append(error)
                continue
            found = _digest_of(part, algorithm)
            if found != wanted:
                why = f"its {algorithm} is {base64.b64encode(found).decode()}"
                raise BuildError("A package differs from its lock", where=url, why=why, hint="lock it again with npm")
            return self._built(task, part, url)
        failure = combined(failures)
        package = _package(args.path)
        if package and not failure.hint and isinstance(failure, NotFound | Forbidden):
            hint = f"the registry has withdrawn {task.name}, or does not serve it: npm update {package} locks another"
            login = "; if the registry needs a login, check its credentials" if isinstance(failure, Forbidden) else ""
            failure = failure.with_(hint=f"{hint} version{login}")
        raise failure

    def _built(self, task: Task, archive: Path, where: str) -> Built:
        task.log(f"from {where}")
        writer = task.writer()
        writer.file("", chunks(archive))
        return Built(writer)


def _package(path: str) -> str:
    """Return the name of the package of an archive in a registry, such as `@scope/name`, or "" if it has none.

    A command that a hint gives has this name, so it has no characters of the shell.
    """
    name = path.partition("/-/")[0]
    return name if re.fullmatch(r"(?:@[A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]*", name, re.ASCII) else ""


def _digest_of(path: Path, algorithm: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).digest()


def digest(integrity: str, name: str) -> tuple[str, bytes]:
    """Return the strongest accepted algorithm of an integrity, and its digest. Raise BuildError if there is none."""
    given = dict(item.partition("?")[0].split("-", 1) for item in integrity.split() if "-" in item)
    for algorithm in _ALGORITHMS:
        try:
            value = base64.b64decode(given.get(algorithm, ""), validate=True)
        except binascii.Error:
            continue
        if len(value) == hashlib.new(algorithm).digest_size:
            return algorithm, value
    why = f"it has only {integrity!r}" if integrity else "it has none"
    raise BuildError(f"The lock has no SHA-2 integrity for {name}", why=why, hint="write the lock with npm 7 or newer")


def addresses(url: str, path: str, registry: str | None) -> Sequence[str]:
    """Return the URLs to try: the archive in the configured registry, then the URL of the lock.

    An archive that did not come from a registry is downloaded only from the URL of the lock.
    """
    in_registry = not url or urlsplit(url).path.endswith(f"/{path}")
    return list(dict.fromkeys([*([f"{registry}/{path}"] if registry and in_registry else []), *([url] if url else [])]))


def make(services: Services) -> NpmBuilder:
    return NpmBuilder(services.http(), services.origins)
