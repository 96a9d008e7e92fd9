"""Make the header by which a download logs in with a secret of the user's."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fpack.builders.net.errors import HttpError, split_url

from .secret_file import PORTS, SecretFile

if TYPE_CHECKING:
    from fpack.builders.net.response import Response, Validators

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
# Headers that change what is requested, or how.
_REFUSED = {"host", "connection", "content-length", "transfer-encoding", "range", "accept-encoding", "upgrade", "te"}


class BadLogin(HttpError):
    """A login of a download that no builder accepts."""


class RequestLogin:
    """The login of one download: the argument `auth` of a `fetch`. secrets: of the user."""

    def __init__(self, auth: Mapping[str, Any], secrets: SecretFile) -> None:
        form, name, secret = (auth.get(field) for field in ("form", "name", "secret"))
        if form not in ("bearer", "basic", "header") or not isinstance(name, str) or not isinstance(secret, str):
            raise BadLogin("The `auth` of a fetch is invalid", why="it lacks its form, a name or a secret")
        if form == "header" and (not _HEADER.match(name) or name.lower() in _REFUSED):
            raise BadLogin("The `auth` of a fetch is invalid", why=f"{name!r} is not a header for a secret")
        if form == "basic" and (":" in name or not name.isprintable()):
            raise BadLogin(
                "The `auth` of a fetch is invalid", why="a user name must not have a colon or a control character"
            )
        self._form, self._name, self._secret = form, name, secret
        self._secrets = secrets

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers for a URL. Raise NoSecret if the secret is not there, or not for this server."""
        value = self._secrets.value(self._secret, split_url(url))
        if self._form == "header":
            return {self._name: value}
        if self._form == "bearer":
            return {"Authorization": f"Bearer {value}"}
        return basic(self._name, value)


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of a user and a password."""
    login = f"{user}:{password}".encode("utf-8", "replace")
    return {"Authorization": f"Basic {b64encode(login).decode()}"}


def server_of(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port of a URL: who a login is for."""
    parts = split_url(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)


class _Client(Protocol):
    def open(self, url: str, offset: int, known: Validators, login: RequestLogin | None) -> Response: ...


class LoggedIn:
    """A client whose requests have a login."""

    def __init__(self, http: _Client, login: RequestLogin) -> None:
        self._http = http
        self._login = login

    def open(self, url: str, offset: int = 0) -> Response:
        """Open a file from an offset. Raise an HttpError."""
        from fpack.builders.net.response import NO_VALIDATORS

        return self._http.open(url, offset, NO_VALIDATORS, self._login)
