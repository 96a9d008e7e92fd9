"""What can go wrong with a download: one error class a cause, and how statuses and exceptions become them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit, urlunsplit

from fpack.store.errors import FpackError

_TRANSIENT = (429, 500, 502, 503, 504)


class HttpError(FpackError):
    """A download that failed."""

    exit_code = 5
    transient = False  # worth another try at the same server


class NotFound(HttpError):
    """The server says that there is no such file."""


class Refused(HttpError):
    """The server will not give the file: credentials are missing, or the request is not allowed."""


class ServerError(HttpError):
    """The server is in trouble; `retry_after` is the pause that it asks for, in seconds."""

    transient = True
    retry_after: float | None = None


class Unreachable(HttpError):
    """No connection: the name does not resolve, nobody listens, or there is no route."""


class ConnectionLost(HttpError):
    """The connection broke."""

    transient = True


class TlsError(HttpError):
    """The server did not prove who it is."""


class TimedOut(HttpError):
    """The server said nothing for too long."""

    transient = True


class ShortBody(HttpError):
    """The server announced more bytes than it sent."""

    transient = True


class TooLarge(HttpError):
    """The file has more bytes than it may have."""


class WrongContent(HttpError):
    """The file has another size or digest than it should have, or is a web page."""


class BadUrl(HttpError):
    """A URL that cannot be fetched from."""


def shown(url: str) -> str:
    """`url` as a message may show it: without a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))


def split_url(url: str) -> SplitResult:
    """The parts of a URL; BadUrl if it has none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadUrl("A URL cannot be read", where=shown(url), why=str(error)) from None


def status_error(url: str, status: int, reason: str, wait: str) -> HttpError:
    """The error that a status means; `wait` is the text of Retry-After."""
    why = f"the server answered {status} {reason}".rstrip()
    if status in (404, 410):
        return NotFound("A file is not there", where=shown(url), why=why)
    if status in _TRANSIENT:
        error = ServerError("A server failed", where=shown(url), why=why, hint="try again later")
        if wait.isascii() and wait.isdigit() and len(wait) < 10:
            error.retry_after = float(wait)
        return error
    if 400 <= status < 500:
        return Refused("A server refused to give a file", where=shown(url), why=why)
    error = ServerError("A server gave an answer that makes no sense here", where=shown(url), why=why)
    error.transient = False
    return error


def web_page(url: str) -> WrongContent:
    """The error for a page of HTML where a file should be."""
    return WrongContent(
        "A server sent a web page instead of a file",
        where=shown(url),
        hint="a login page of the network, or a wrong URL?",
    )


def reason_of(error: BaseException) -> str:
    """What an exception says, in few words."""
    return getattr(error, "strerror", None) or str(error) or error.__class__.__name__


def translate(error: Exception, url: str) -> NoReturn:
    """Raise the HttpError that says what urllib3's, or the system's, `error` means."""
    import ssl

    import urllib3.exceptions as u3

    chain = _chain(error)
    where = shown(url)
    why = reason_of(chain[-1])
    for one in chain:
        if isinstance(one, (ssl.SSLError, u3.SSLError)):
            raise TlsError(
                "A server did not prove who it is",
                where=where,
                why=str(one),
                hint="SSL_CERT_FILE names another file of trusted certificates",
            ) from None
        if isinstance(one, u3.NameResolutionError):
            raise Unreachable("A server's name cannot be resolved", where=where, why=why) from None
        if isinstance(one, (u3.ConnectTimeoutError, u3.NewConnectionError, ConnectionRefusedError)):
            raise Unreachable("A server cannot be reached", where=where, why=why) from None
        if isinstance(one, (u3.TimeoutError, TimeoutError)):
            raise TimedOut("A server stopped answering", where=where, why=why) from None
        if isinstance(one, u3.LocationValueError):
            raise BadUrl("A URL cannot be fetched from", where=where, why=why) from None
    if ended_early(error):
        raise ShortBody("A download ended early", where=where, why=why) from None
    raise ConnectionLost("A connection broke", where=where, why=why) from None


def combined(failures: Sequence[HttpError]) -> HttpError:
    """The error of a file that no server gave, which says what happened at each.

    Its class is that of the failure that says most about what to do: a server's passing trouble first, then that the
    file is gone where somebody answered, and only then that somebody did not answer.
    """
    kinds = (lambda f: f.transient, lambda f: isinstance(f, NotFound), lambda f: isinstance(f, WrongContent))
    telling = next((failure for kind in kinds for failure in failures if kind(failure)), failures[0])
    return type(telling)(
        f"No server of {len(failures)} gave a file",
        where=telling.where,
        why="; ".join(str(failure) for failure in failures),
        hint=telling.hint,
    )


def ended_early(error: BaseException) -> bool:
    """Whether `error` says that a body ended before its announced end."""
    from http.client import IncompleteRead

    return any(isinstance(one, IncompleteRead) for one in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and those behind it."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        inner = getattr(cause, "reason", None) or getattr(cause, "original_error", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return chain
