"""The `npm` kind: a package's archive, known by the integrity that a package-lock.json has of it.

The lock says where the archive was. npm itself asks the registry that it is configured for, so that comes first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fpack.builders.net.errors import HttpError, combined
from fpack.builders.net.http import Http
from fpack.builders.net.origins import Origins
from fpack.builders.net.registries import npm_registry
from fpack.builders.protocol import BuildError, Built, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import chunks

if TYPE_CHECKING:
    from .table import Services

MAX_SIZE = 2 << 30
# Strongest first; sha1 is what locks of old have alone, and it proves nothing.
_ALGORITHMS = ("sha512", "sha384", "sha256")


class Npm:
    """args: path (in a registry), url (where the lock says; ""), integrity ("sha512-<base64>"). output: the file.

    origins: the URLs that one of the lock stands for.
    """

    kind = "npm"
    network = True

    def __init__(self, http: Http, origins: Origins) -> None:
        self._http = http
        self._origins = origins

    def key(self, drv: Derivation) -> Value:
        """The integrity and the name."""
        return ["npm 1", drv.args["integrity"], drv.name]

    def build(self, task: Task) -> Built:
        """Download, verify, enter into the store."""
        algorithm, wanted = digest(str(task.args["integrity"]), task.name)
        failures: list[HttpError] = []
        urls = addresses(str(task.args["url"]), str(task.args["path"]), npm_registry())
        if not urls:
            why = "the lock does not say where it is, and npm, which knows its registry, is not there"
            raise BuildError(f"There is no place to get {task.name} from", why=why, hint="install npm")
        for url in urls:
            part = task.scratch() / "archive"
            try:
                self._http.download(self._origins(url), part, limit=MAX_SIZE, progress=task.progress, check=task.check)
            except HttpError as error:
                failures.append(error)
                continue
            with open(part, "rb") as file:
                found = hashlib.file_digest(file, algorithm).digest()
            if found != wanted:
                why = f"its {algorithm} is {base64.b64encode(found).decode()}"
                raise BuildError(
                    "A package is not what the lock has", where=url, why=why, hint="lock it again with npm"
                )
            task.log(f"from {url}")
            writer = task.writer()
            writer.file("", chunks(part))
            return Built(writer)
        raise failures[0] if len(failures) == 1 else combined(failures)


def digest(integrity: str, name: str) -> tuple[str, bytes]:
    """The strongest algorithm of an integrity that proves something, and its digest."""
    given = dict(each.partition("?")[0].split("-", 1) for each in integrity.split() if "-" in each)
    for algorithm in _ALGORITHMS:
        try:
            value = base64.b64decode(given.get(algorithm, ""), validate=True)
        except binascii.Error:
            continue
        if len(value) == hashlib.new(algorithm).digest_size:
            return algorithm, value
    why = f"there is only {integrity!r}" if integrity else "there is none"
    raise BuildError(
        f"The lock has no integrity of {name} that proves anything", why=why, hint="write the lock with npm 7 or newer"
    )


def addresses(url: str, path: str, registry: str | None) -> Sequence[str]:
    """Where an archive is looked for: in the configured registry, and where the lock says.

    An archive that the lock has from elsewhere than a registry is looked for there alone.
    """
    in_registry = not url or urlsplit(url).path.endswith(f"/{path}")
    return list(dict.fromkeys([*([f"{registry}/{path}"] if registry and in_registry else []), *([url] if url else [])]))


def make(services: Services) -> Npm:
    """Return the builder of the kind."""
    from fpack.builders.net.http import Http

    return Npm(Http(), services.origins)
