"""Build the `fetch` kind: download a file of a declared SHA-256 or SHA-512 from the first URL that serves it.

The key holds the digests, the name and the executable bit, but no URL. An interrupted download is resumed by the next
attempt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from fpack.builders import arguments
from fpack.builders.net.errors import Forbidden, HttpError, NotFound
from fpack.builders.net.http import Http
from fpack.builders.net.origins import Origins
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.builders.python.names import normal
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.files.tree import chunks

if TYPE_CHECKING:
    from fpack.builders.net.logins.request_login import RequestLogin

    from .table import Services

VERSION = 1


_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_RELEASE = re.compile(r"[A-Za-z0-9.!+_]+\Z")  # of a project
_FORMS = {"sha256": re.compile(r"[0-9a-f]{64}\Z"), "sha512": re.compile(r"[0-9a-f]{128}\Z")}


class FetchArgs(NamedTuple):
    """The arguments. sha256: 64 hexadecimal digits, or "". size: None if unknown.

    Without any declared digest, the build reports the one of the file.
    """

    urls: tuple[str, ...]
    sha256: str
    size: int | None = None
    executable: bool = False


class StrongDigest(NamedTuple):
    """The argument that only a fetch of a declared SHA-512 has: 128 hexadecimal digits.

    It is apart from FetchArgs, so that other fetches keep their arguments, and with them their derivations.
    """

    sha512: str = ""


class FetchAuth(NamedTuple):
    """The argument that only a fetch with a login has: the name of a secret, and how it is sent. See `RequestLogin`."""

    auth: Mapping[str, str] | None = None


class FetchBuilder(BaseBuilder):
    """The builder of `fetch`.

    origins: maps a URL of the derivation to the URLs to download from. missing: returns a hint for a file that no URL
    serves any more.
    """

    version = VERSION
    network = True

    def __init__(self, http: Http, origins: Origins, missing: Callable[[str], str] = lambda url: "") -> None:
        self._http = http
        self._origins = origins
        self._missing = missing

    def key(self, drv: Derivation) -> Value:
        """Return the declared digests, the name and the executable bit. The login does not change the file."""
        args, sha512 = arguments.read(FetchArgs, drv.args), arguments.read(StrongDigest, drv.args).sha512
        more = [sha512] if sha512 else []
        return [f"fetch {VERSION}", args.sha256, drv.name, args.executable, *more]

    def build(self, task: Task) -> Built:
        """Download the file, verify it and write it to the store."""
        args, sha512 = arguments.read(FetchArgs, task.args), arguments.read(StrongDigest, task.args).sha512
        declared = {name: text for name, text in (("sha256", args.sha256), ("sha512", sha512)) if text}
        if not declared:
            raise self._undeclared(task, args, _login(task))
        for name, text in declared.items():
            if not _FORMS[name].match(text):
                what = f"The {name} of a fetch is not {int(name[3:]) // 4} hexadecimal digits"
                raise BuildError(what, where=task.name, why=f"it is {text!r}")
        part = task.resume_dir() / "part"
        try:
            done = self._http.download(
                lambda: self._urls(args),
                part,
                size=args.size,
                sha256=args.sha256,
                sha512=sha512,
                progress=task.progress,
                check=task.check,
                login=_login(task),
            )
        except HttpError as error:
            hint = "" if error.hint or not isinstance(error, NotFound | Forbidden) else _withdrawn(args.urls[0])
            if hint and isinstance(error, Forbidden):
                hint += "; if the index needs a login, check its credentials"
            if not hint and isinstance(error, NotFound) and not error.hint:
                hint = self._missing(args.urls[0])
            if not hint:
                raise
            raise error.with_(hint=hint) from None
        task.log(f"from {done.url or 'an earlier download'}, {done.size} bytes")
        writer = task.writer()
        writer.file("", chunks(part), args.executable)
        os.unlink(part)
        return Built(writer)

    def _urls(self, args: FetchArgs) -> list[str]:
        return [url for declared in args.urls for url in self._origins(declared)]

    def _undeclared(self, task: Task, args: FetchArgs, login: RequestLogin | None) -> BuildError:
        """Download a file that has no declared digest; return the error that says which one it has."""
        path = task.scratch() / "part"
        done = self._http.download(
            self._urls(args), path, size=args.size, progress=task.progress, check=task.check, login=login
        )
        return BuildError(
            "A fetch has no sha256",
            where=task.name,
            why=f"{done.url} gave {done.size} bytes",
            hint=f'if that is the right file, add: sha256 = "{done.sha256}"',
        )


def _withdrawn(url: str) -> str:
    """Return a hint for a wheel that its index no longer serves, or "" for another file.

    The hint has a command, so only names without characters of the shell come into it.
    """
    project, *rest = unquote(urlsplit(url).path).rpartition("/")[2].split("-")
    if len(rest) < 3 or not rest[-1].endswith(".whl"):
        return ""
    name, version = normal(project), rest[0]
    if not _NAME.match(name) or not _RELEASE.match(version):
        return ""
    return (
        f"the index has withdrawn {name} {version}, or does not serve it: lock another version with the tool that made "
        f"the lock, such as uv lock --upgrade-package {name}"
    )


def _login(task: Task) -> RequestLogin | None:
    """Return the login of a fetch that has one. The user's secrets are not read before a request needs one."""
    auth = arguments.read(FetchAuth, task.args).auth
    if auth is None:
        return None
    from fpack.builders.net.logins.request_login import RequestLogin
    from fpack.builders.net.logins.secret_file import SecretFile

    return RequestLogin(auth, SecretFile())


def make(services: Services) -> FetchBuilder:
    return FetchBuilder(services.http(), services.origins, services.missing)
