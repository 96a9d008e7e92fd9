"""Define one error class per cause of a failed download, and map statuses and exceptions to these classes."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from fpack.light_typing import NoReturn
from fpack.store.errors import FpackError, one_line
from fpack.store.files import disk_errors

_TRANSIENT = (429, 500, 502, 503, 504)
_QUOTED = 200  # characters of a message that may quote a server


class HttpError(FpackError):
    """A failed download. failures: the failure of each server, if the error is that of several."""

    exit_code = 5
    transient = False  # a retry at the same server may succeed
    failures: Sequence[HttpError] = ()


class NotFound(HttpError):
    """A file that the server does not have."""


class Refused(HttpError):
    """A request that the server or the system denied, for example for missing credentials."""


class Forbidden(Refused):
    """A file that the server does not give to this user, or to anybody: some answer so for a withdrawn file."""


class ServerError(HttpError):
    """A failure of the server. retry_after: the pause in seconds that the server asks for."""

    transient = True
    retry_after: float | None = None


class Unreachable(HttpError):
    """A failed connection: the name does not resolve, nothing listens on the port, or there is no route."""


class ConnectionLost(HttpError):
    """A broken connection."""

    transient = True


class TlsError(HttpError):
    """A failed TLS handshake or certificate check."""


class TimedOut(HttpError):
    """A server that sent nothing within the timeout."""

    transient = True


class ShortBody(HttpError):
    """A body shorter than the server announced."""

    transient = True


class TooLarge(HttpError):
    """A file larger than its limit."""


class WrongContent(HttpError):
    """A file with an unexpected size or digest, or a web page in its place."""


class BadUrl(HttpError):
    """A URL that fpack cannot fetch."""


class Offline(HttpError):
    """A file that only the network has, while fpack must not use it."""


def shown(url: str) -> str:
    """Return `url` without its password, for use in messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))


def split_url(url: str) -> SplitResult:
    """Split a URL into its parts. Raise BadUrl if it is malformed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # it is checked only when it is read
        return parts
    except ValueError as error:
        raise BadUrl("The URL is malformed", where=shown(url), why=str(error)) from None


def join_url(base: str, target: str) -> str:
    """Return the URL that `target`, of a server's answer or page, means at `base`. Raise BadUrl if it is malformed."""
    try:
        url = urljoin(base, target)
        _ = urlsplit(url).port
        return url
    except ValueError as error:
        raise BadUrl("The URL is malformed", where=shown(base), why=f"{error}: {one_line(target)[:200]}") from None


def without_login(url: str) -> str:
    """Return a URL without its user and password, which a lock must not have."""
    parts = split_url(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def status_error(url: str, status: int, reason: str, wait: str) -> HttpError:
    """Return the error for an HTTP status. wait: the value of the Retry-After header."""
    why = f"the server answered {status} {reason}".rstrip()
    if status in (404, 410):
        return NotFound("The server does not have the file", where=shown(url), why=why)
    if status in _TRANSIENT:
        pause = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
        failed = ServerError("The server failed", where=shown(url), why=why, hint="try again later")
        return failed.with_(retry_after=pause)
    if 400 <= status < 500:
        return (Forbidden if status == 403 else Refused)("The server refused the request", where=shown(url), why=why)
    return ServerError("The server sent an unexpected response", where=shown(url), why=why).with_(transient=False)


def offline(url: str) -> Offline:
    """Return the error for a URL that must not be requested."""
    return Offline(
        "The file is not on this machine",
        where=shown(url),
        why="fpack is offline",
        hint="name a directory or a bundle that has it, as in --mirror kept=file:///PATH",
    )


def web_page(url: str) -> WrongContent:
    """Return the error for an HTML page in place of a file."""
    return WrongContent(
        "The server sent a web page instead of the file",
        where=shown(url),
        hint="check the URL, and whether the network shows a login page",
    )


def reason_of(error: BaseException) -> str:
    """Return an exception's message, or its class name if it has none. The message may quote what a server sent."""
    from http.client import IncompleteRead

    if isinstance(error, IncompleteRead) and error.expected is not None:
        return f"{error.expected} more bytes were announced"
    return getattr(error, "strerror", None) or one_line(str(error).strip())[:_QUOTED] or error.__class__.__name__


def raise_limits(error: BaseException, url: str) -> None:
    """Raise StoreError if the machine's limits, not the server, are the reason: another mirror is no better."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
        known = disk_errors.explain(error, shown(url))
        assert known is not None
        raise known from None


def translate(error: Exception, url: str) -> NoReturn:
    """Raise the HttpError, or StoreError, that corresponds to an error of urllib3, http.client or of the system."""
    import socket
    import ssl
    from http.client import InvalidURL

    import urllib3.exceptions as u3

    from .direct import NotConnected

    chain = _chain(error)
    where = shown(url)
    why = reason_of(chain[-1])
    for one in chain:
        raise_limits(one, url)
        if isinstance(one, (ssl.SSLError, u3.SSLError)):
            raise TlsError(
                "The server's certificate was not accepted",
                where=where,
                why=str(one),
                hint="set SSL_CERT_FILE to use another file of trusted certificates",
            ) from None
        if isinstance(one, (u3.NameResolutionError, socket.gaierror)):
            raise Unreachable("The server's name cannot be resolved", where=where, why=why) from None
        if isinstance(one, (u3.ConnectTimeoutError, u3.NewConnectionError, NotConnected, ConnectionRefusedError)):
            raise Unreachable("The server cannot be reached", where=where, why=why) from None
        if isinstance(one, (u3.TimeoutError, TimeoutError)):
            raise TimedOut("The server stopped responding", where=where, why=why) from None
        if isinstance(one, (u3.LocationValueError, InvalidURL)):
            raise BadUrl("The URL cannot be fetched", where=where, why=why) from None
    if ended_early(error):
        raise ShortBody("The download ended early", where=where, why=why) from None
    raise ConnectionLost("The connection broke", where=where, why=why) from None


def combined(failures: Sequence[HttpError]) -> HttpError:
    """Return one error for a file that all servers failed to deliver; its `why` has one line: each server's failures.

    A single failure is returned as it is. Otherwise the error's class is that of the most useful failure: a transient
    one, else NotFound, else WrongContent, else the first.
    """
    if len(failures) == 1:
        return failures[0]
    kinds = (lambda f: f.transient, lambda f: isinstance(f, NotFound), lambda f: isinstance(f, WrongContent))
    main = next((failure for kind in kinds for failure in failures if kind(failure)), failures[0])
    single = [one for failure in failures for one in failure.failures or (failure,)]
    servers: dict[str, list[str]] = {}
    for one in single:
        servers.setdefault(_server(one.where), []).append(one.why or one.what)
    made = type(main)(
        "No server delivered the file",
        where=main.where,
        why=one_line("; ".join(f"{server}: {', '.join(dict.fromkeys(whys))}" for server, whys in servers.items())),
        hint=main.hint,
    )
    return made.with_(failures=tuple(single))


def _server(url: str) -> str:
    """Return the host and port of a URL, or the URL if it has none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url


def ended_early(error: BaseException) -> bool:
    """Return whether `error` was caused by a body shorter than announced."""
    from http.client import IncompleteRead

    return any(isinstance(one, IncompleteRead) for one in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and the exceptions that caused it.

    An FpackError is no cause: a request may be made while the failure of another one is handled.
    """
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain and not isinstance(cause, FpackError):
        chain.append(cause)
        inner = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return chain
