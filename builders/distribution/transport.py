"""Send requests to one registry: connections, TLS, retries, credentials, redirects.

Credentials go to the registry's own origin (scheme, host and port) and to its token server, never to where a redirect
leads: registries redirect to blob stores. A challenge counts only if it comes from the registry's own origin.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from fpack.builders.net.connections import Connections
from fpack.builders.net.errors import HttpError, join_url, split_url, translate
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store.settings import OFFLINE

from . import answers
from .access import challenges, credentials
from .access.credentials import NONE, RegistryCredentials
from .http_fields import retry_after
from .protocol import Corrupt, Denied, RepositoryError, Unavailable

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import urllib3
    from fpack.builders.net.direct import DirectAnswer, DirectConnections

    from .access.tokens import Token

RETRIES = 5
BACKOFF = 0.5  # seconds before the first repetition; it doubles
MAX_PAUSE = 20.0  # seconds
MAX_WAIT = 60.0  # limit of the pause that a server may ask for
TIMEOUT = 60.0  # seconds without a byte
CONNECT = 15.0  # seconds
REDIRECTS = 5
CHUNK = 1 << 18  # bytes
USER_AGENT = "fpack"

Body = bytes | Callable[[], Iterable[bytes]]


class Settings(NamedTuple):
    """The settings of requests. environ: variables of credentials, certificates and proxies.

    backoff: the first pause in seconds before a request is repeated. plain_http: send requests without TLS.
    patient: repeat failed requests also before the host has answered for the first time. uploads: the directory of
    the records of uploads under way, or None.
    """

    environ: Mapping[str, str] = os.environ
    retries: int = RETRIES
    backoff: float = BACKOFF
    timeout: float = TIMEOUT
    plain_http: bool = False
    patient: bool = True
    uploads: Path | None = None


class RegistryAnswer:
    """An answer of a registry whose body may be unread. Close it, or read it."""

    def __init__(self, url: str, answer: urllib3.BaseHTTPResponse | DirectAnswer) -> None:
        self.url = url
        self.status: int = answer.status
        self.phrase: str = answer.reason or ""
        self._answer = answer

    def header(self, name: str) -> str:
        """Return a header, or "". A value that is too long or not printable counts as none."""
        value = self._answer.headers.get(name, "")
        return value if len(value) <= 8192 and value.isprintable() else ""

    @property
    def length(self) -> int | None:
        """Return the announced size of the body."""
        text = self.header("Content-Length")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield the body in pieces as they arrive. Raise HttpError if the connection breaks."""
        try:
            while chunk := self._answer.read1(size):
                yield chunk
        except _failures() as error:
            translate(error, self.url)
        finally:
            self.close()

    def read(self, limit: int) -> bytes:
        """Return the body, at most `limit` bytes and one more. Raise HttpError if the connection breaks."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                break
        return bytes(body[: limit + 1])

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._answer.length_remaining == 0:
            self._answer.release_conn()
        else:
            self._answer.close()


class Transport:
    """The requests to one server. Threads share it.

    host: with its port. scheme: http or https. server: the name of its kind in messages.
    """

    def __init__(self, host: str, scheme: str, settings: Settings, server: str = answers.REGISTRY) -> None:
        self.host = host
        self.server = server
        self.base = f"{scheme}://{host}"
        self._settings = settings
        self._origin = origin(urlsplit(self.base))
        self._offline = OFFLINE.find(environ=settings.environ)
        self._connections = Connections(settings.environ, self._context)
        self._direct: DirectConnections | None = None
        self._challenge: challenges.Challenge | None = None
        self._credentials: dict[str, RegistryCredentials] = {}
        self._tokens: dict[tuple[str, ...], Token] = {}
        self._lock = threading.RLock()
        self._has_answered = settings.patient
        self.requests = 0

    @property
    def attempts(self) -> int:
        """Return how often a request is tried."""
        return self._settings.retries + 1 if self._has_answered else 1

    def answered(self) -> None:
        """Note that the host answers requests."""
        self._has_answered = True

    def _context(self, authority: str) -> ssl.SSLContext:
        from .access import certificates

        return certificates.context(authority, self._settings.environ)

    def request(
        self,
        method: str,
        target: str,
        where: str,
        *,
        repository: str = "",
        scopes: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        size: int | None = None,
        accept: Collection[int] = (200,),
        attempts: int | None = None,
    ) -> RegistryAnswer:
        """Send a request, and return the first answer whose status is in `accept`. Raise RepositoryError otherwise.

        target: a path, or a URL that the registry gave. where: for messages. scopes: what a token must permit, such as
        `repository:NAME:pull`. body: bytes, or a function that returns `size` bytes in pieces, and is called again for
        a repetition. A failure that may pass is repeated with a growing pause, or as the registry asks (Retry-After).
        attempts: how often to try; None for the settings' number.
        """
        url = self.join(f"{self.base}/", target, where)
        self.check_offline(where)
        limit = self.attempts if attempts is None else attempts
        for attempt in range(limit):
            last = attempt + 1 == limit
            pause: float | None = None
            try:
                answer = self._authorised(method, url, where, repository, scopes, dict(headers or {}), body, size)
                self.answered()
                if answer.status in accept:
                    return answer
                data = answer.read(answers.MAX_ERROR)
                if answer.status not in answers.TRANSIENT or last:
                    known = self._known(repository) != NONE
                    plain = self.base.startswith("http:")
                    raise answers.failure(
                        where, self.host, answer.status, answer.phrase, data, known, plain, self.server
                    )
                pause = retry_after(answer.header("Retry-After"))
            except HttpError as error:
                if not error.transient or last:
                    raise self.unreachable(where, error) from None
            self.pause(attempt, pause)
        raise AssertionError("there is at least one attempt")

    def join(self, base: str, target: str, where: str) -> str:
        """Return the URL that an answer means by `target`. Raise RepositoryError if it is malformed."""
        try:
            return join_url(base, target)
        except HttpError as error:
            raise self.unreachable(where, error) from None

    def unreachable(self, where: str, error: HttpError) -> RepositoryError:
        """Return the error for one of the connection. where: for messages."""
        return answers.unreachable(where, self.host, error, self.server)

    def check_offline(self, where: str) -> None:
        """Raise Unavailable if nothing may be asked. where: for messages."""
        if self._offline:
            raise Unavailable(f"The {self.server} is not on this machine", where=where, why="fpack is offline")

    def fetch(
        self, target: str, where: str, limit: int, *, repository: str, scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None, accept: Collection[int] = (200,), attempts: int | None = None,
    ) -> tuple[RegistryAnswer, bytes]:  # fmt: skip
        """Get a document of at most `limit` bytes. An interrupted transfer is repeated. attempts: as of `request`."""
        for attempt in range(self._settings.retries + 1):
            answer = self.request(
                "GET",
                target,
                where,
                repository=repository,
                scopes=scopes,
                headers=headers,
                accept=accept,
                attempts=attempts,
            )
            try:
                data = answer.read(limit)
            except HttpError as error:
                if not error.transient or attempt == self._settings.retries:
                    raise self.unreachable(where, error) from None
                self.pause(attempt)
                continue
            if len(data) > limit:
                raise Corrupt(
                    f"A document of the {self.server} is too large", where=where, why=f"the limit is {limit} bytes"
                )
            return answer, data
        raise AssertionError("there is at least one attempt")

    def pause(self, attempt: int, asked: float | None = None) -> None:
        """Wait before a repetition. asked: the pause that the registry asks for."""
        import random

        wait = min(self._settings.backoff * 2**attempt, MAX_PAUSE) * random.uniform(0.5, 1.5)
        if asked is not None:
            wait = max(min(asked, MAX_WAIT), wait if asked else 0.0)
        time.sleep(wait)

    @property
    def uploads(self) -> Path | None:
        """Return the directory of the records of uploads under way, or None."""
        return self._settings.uploads

    @property
    def retries(self) -> int:
        """Return how often a failed request is repeated."""
        return self._settings.retries

    # Credentials.

    def _authorised(
        self,
        method: str,
        url: str,
        where: str,
        repository: str,
        scopes: tuple[str, ...],
        headers: dict[str, str],
        body: Body,
        size: int | None,
    ) -> RegistryAnswer:
        """Send a request with what the registry's challenge asks for."""
        used = self._authorization(repository, scopes, where)
        answer = self._follow(method, url, headers, used, body, size)
        if answer.status != 401 or not self._is_own(answer.url):
            return answer
        found = self._chosen(answer.header("WWW-Authenticate"))
        if found is None:
            return answer
        with self._lock:
            self._challenge = found
            token = self._tokens.get(scopes)
            if token is not None and used == f"Bearer {token.text}":
                del self._tokens[scopes]  # it has expired, or does not permit this
        again = self._authorization(repository, scopes, where)
        if not again or (again == used and used.startswith("Basic")):
            return answer
        answer.read(answers.MAX_ERROR)
        return self._follow(method, url, headers, again, body, size)

    def _chosen(self, header: str) -> challenges.Challenge | None:
        """Return the challenge to meet: a token if the registry offers it, else a password."""
        found = {challenge.scheme: challenge for challenge in reversed(challenges.parse(header))}
        return found.get("bearer") or found.get("basic")

    def _authorization(self, repository: str, scopes: tuple[str, ...], where: str) -> str:
        """Return the header Authorization, or "". Nothing is sent that the registry has not asked for."""
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return ""
            known = self._known(repository)
            if challenge.scheme == "basic":
                if not known.user:
                    return ""
                login = b64encode(f"{known.user}:{known.password}".encode()).decode()
                return f"Basic {login}"
            if known.bearer:
                return f"Bearer {known.bearer}"
            token = self._tokens.get(scopes)
            if token is None or token.expired():
                from .access.tokens import TokenServer

                server = TokenServer(self, challenge, self._settings)
                token = self._tokens[scopes] = server.token(known, scopes, where)
            return f"Bearer {token.text}"

    def _known(self, repository: str) -> RegistryCredentials:
        with self._lock:
            if repository not in self._credentials:
                self._credentials[repository] = credentials.find(self.host, repository, self._settings.environ)
            return self._credentials[repository]

    def _is_own(self, url: str) -> bool:
        return origin(split_url(url)) == self._origin

    # Single requests.

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], authorization: str, body: Body, size: int | None
    ) -> RegistryAnswer:
        """Send a request, and follow redirects, with the authorization for the registry's own origin alone."""
        for _ in range(REDIRECTS + 1):
            own = self._is_own(url)
            self.check(url)
            more = {"Authorization": authorization} if own and authorization else {}
            answer = self.send(method, url, {**headers, **more}, body, size)
            # A request that changes something is repeated elsewhere only if the status says so.
            moved = (301, 302, 303, 307, 308) if method in ("GET", "HEAD") else (307, 308)
            target = answer.header("Location") if answer.status in moved else ""
            if not target:
                return answer
            answer.close()
            url = join_url(url, target)
        raise Unavailable(
            f"The {self.server} redirects too often", where=self.base, why=f"the limit is {REDIRECTS} redirects"
        )

    def check(self, url: str) -> None:
        """Raise Denied for a URL that fpack does not ask: one without TLS, or one on this machine named by another."""
        parts = split_url(url)
        if self._is_own(url) or (parts.scheme == "https" and parts.hostname and not is_loopback(parts.hostname)):
            return
        # A registry on this machine may name other servers on it.
        mine = is_loopback(urlsplit(self.base).hostname or "")
        schemes = ("http", "https") if self.base.startswith("http:") else ("https",)
        if mine and parts.hostname and is_loopback(parts.hostname) and parts.scheme in schemes:
            return
        why = f"it is {parts.scheme}://{parts.hostname}, and fpack asks only https servers that are not this machine"
        raise Denied(f"fpack does not ask the server that the {self.server} leads to", where=self.base, why=why)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Body, size: int | None) -> RegistryAnswer:
        """Send one request. Raise HttpError if the connection fails."""
        parts = split_url(url)
        given = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        data = body if isinstance(body, bytes) else body()
        if method not in ("GET", "HEAD"):
            given["Content-Length"] = str(len(body) if isinstance(body, bytes) else size)
        self.requests += 1
        try:
            if self._connections.proxy(parts.scheme, parts.hostname or ""):
                return RegistryAnswer(url, self._by_proxy(method, url, given, data))
            limits = (min(self._settings.timeout, CONNECT), self._settings.timeout)
            return RegistryAnswer(url, self._own().request(method, parts, given, data, *limits))
        except (RepositoryError, HttpError):
            raise
        except _failures() as error:
            translate(error, url)

    def _own(self) -> DirectConnections:
        with self._lock:
            if self._direct is None:
                from fpack.builders.net.direct import DirectConnections

                self._direct = DirectConnections(self._context)
            return self._direct

    def _by_proxy(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | Iterable[bytes]
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        parts = split_url(url)
        pool = self._connections.pool(parts.scheme, parts.hostname or "", parts.netloc.rpartition("@")[2])
        return pool.urlopen(
            method,
            url,
            body=data or None,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=min(self._settings.timeout, CONNECT), read=self._settings.timeout),
        )


def _failures() -> tuple[type[Exception], ...]:
    """Return what a broken connection raises."""
    from http.client import HTTPException

    urllib3 = sys.modules.get("urllib3")
    return (*((urllib3.exceptions.HTTPError,) if urllib3 is not None else ()), HTTPException, ValueError, OSError)


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Return the scheme, host and port of a URL."""
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").lower(), port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def is_loopback(host: str) -> bool:
    """Return whether a host, without a port, is this machine."""
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(?:\.[0-9]{1,3}){3}", host) is not None
