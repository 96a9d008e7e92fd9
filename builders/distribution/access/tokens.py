"""Get bearer tokens from the token server that a registry names.

https://distribution.github.io/distribution/spec/auth/token/ (GET), and /spec/auth/oauth/ (POST, for identity tokens).
Credentials go to a token server whose host belongs to the registry's domain (`auth.docker.io` for
`registry-1.docker.io`). They go to any other host only if the user has configured the same credentials for that host,
because the registry chooses the host. Other credentials of that host are never used: their token would go to the
registry.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from urllib.parse import urlencode

from fpack.builders.distribution import answers
from fpack.builders.distribution.http_fields import retry_after, with_query
from fpack.builders.distribution.protocol import Denied, Unavailable
from fpack.builders.net.errors import HttpError, split_url
from fpack.light_typing import TYPE_CHECKING, NamedTuple

from . import credentials
from .challenges import Challenge
from .credentials import NONE, RegistryCredentials

if TYPE_CHECKING:
    from fpack.builders.distribution.transport import Settings, Transport

MAX_TOKEN = 64 << 10  # bytes of a server's answer
LIFETIME = 60.0  # seconds, if the server does not tell
MARGIN = 10.0  # seconds before its end in which a token is not used any more: a request takes time
CLIENT = "fpack"  # OAuth asks for a name of the client


class Token(NamedTuple):
    """A bearer token. until: its end, in seconds of the monotonic clock. Its text is not shown in messages."""

    text: str
    until: float

    def __repr__(self) -> str:
        return "Token()"

    def expired(self) -> bool:
        """Return whether a new token is needed."""
        return time.monotonic() >= self.until


class TokenServer:
    """The token server that a challenge of a registry names. transport: of the registry."""

    def __init__(self, transport: Transport, challenge: Challenge, settings: Settings) -> None:
        self._transport = transport
        self._realm = challenge.realm
        self._service = challenge.service
        self._settings = settings

    def token(self, known: RegistryCredentials, scopes: tuple[str, ...], where: str) -> Token:
        """Return a token for scopes, such as `repository:team/app:pull`.

        known: the credentials of the registry. where: for errors. Raise Denied if the server refuses, Unavailable if it
        fails.
        """
        try:
            parts = split_url(self._realm)
            self._transport.check(self._realm)
        except HttpError:
            why = f"its realm is {self._realm[:200]!r}"
            raise Denied("The registry names no valid token server", where=where, why=why) from None
        known = self._permitted(known, parts.hostname or "", parts.netloc)
        fields = [("service", self._service)] if self._service else []
        scoped = [("scope", scope) for scope in scopes]
        headers = {"Accept": "application/json"}
        if known.identity:
            form = [("grant_type", "refresh_token"), *fields, ("client_id", CLIENT)]
            form += [("scope", " ".join(scopes)), ("refresh_token", known.identity)]
            method, url, body = "POST", self._realm, urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            if known.user:
                fields.append(("account", known.user))
                login = b64encode(f"{known.user}:{known.password}".encode()).decode()
                headers["Authorization"] = f"Basic {login}"
            method, url, body = "GET", with_query(self._realm), b""
            url = f"{url}{'&' if '?' in url else '?'}{urlencode([*fields, *scoped])}"
        for attempt in range(self._settings.retries + 1):
            last = attempt == self._settings.retries
            pause = None
            try:
                answer = self._transport.send(method, url, headers, body, None)
                data = answer.read(MAX_TOKEN)
                if answer.status == 200:
                    return _parse(data, where)
                if answer.status not in answers.TRANSIENT or last:
                    self._refused(answer.status, answer.phrase, data, where, known)
                pause = retry_after(answer.header("Retry-After"))
            except HttpError as error:
                if not error.transient or last:
                    raise answers.unreachable(where, parts.netloc, error) from None
            self._transport.pause(attempt, pause)
        raise AssertionError("there is at least one attempt")

    def _permitted(self, known: RegistryCredentials, host: str, authority: str) -> RegistryCredentials:
        """Return the credentials that may go to the token server."""
        registry = split_url(self._transport.base).hostname or ""
        if known == NONE or host.lower() == registry.lower() or _domain(host) == _domain(registry) != "":
            return known
        if credentials.find(authority, "", self._settings.environ) != known:
            raise Denied(
                "The registry sends credentials to a server of another domain",
                where=self._transport.host,
                why=f"its token server is {authority}",
                hint=f"if that is right, give {authority} the same login: podman login {authority}",
            )
        return known

    def _refused(self, status: int, phrase: str, data: bytes, where: str, known: RegistryCredentials) -> None:
        """Raise the error for an answer that has no token."""
        why = answers.reason(status, phrase, data)
        host = self._transport.host
        if status in (400, 401, 403, 404):
            what = "The registry refuses the credentials" if known != NONE else "The registry asks for credentials"
            raise Denied(what, where=where, why=why, hint=f"run podman login {host}, or docker login {host}")
        raise Unavailable("The registry's token server failed", where=where, why=why, hint="try again later")


def _parse(data: bytes, where: str) -> Token:
    try:
        document = json.loads(data) if len(data) <= MAX_TOKEN else None
        if not isinstance(document, dict):
            raise ValueError
        text = document.get("token") or document.get("access_token")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError
        lifetime = document.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, (int, float)) and 0 < lifetime < 1e7 else LIFETIME
    except (ValueError, RecursionError):
        raise Unavailable(
            "The registry's token server gave no token", where=where, why="its answer is not valid"
        ) from None
    return Token(text, time.monotonic() + max(seconds - MARGIN, seconds / 2))


def _domain(host: str) -> str:
    """Return the last two labels of a host's name, or "" for an address or a single label.

    For `example.co.uk` that is `co.uk`, which others share. This gives nothing away that the registry, which names the
    server, could not give away itself.
    """
    labels = host.lower().rstrip(".").split(".")
    if len(labels) < 2 or ":" in host or labels[-1].isdigit():
        return ""
    return ".".join(labels[-2:])
