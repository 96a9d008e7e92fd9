"""Define the response to a request: its body, unread, and what is known of the file; of a server or of this machine."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from .errors import (
    BadUrl,
    NotFound,
    Refused,
    ServerError,
    ShortBody,
    ended_early,
    raise_limits,
    reason_of,
    shown,
    split_url,
    status_error,
    translate,
)

if TYPE_CHECKING:
    import urllib3

CHUNK = 1 << 16  # bytes that are read of a body at a time
MAX_VALIDATOR = 256  # characters of a header that tells the version of a file

_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)\Z")


class Validators(NamedTuple):
    """A server's ETag and Last-Modified of a file, or "": with them, it can be asked later whether the file changed."""

    etag: str = ""
    modified: str = ""


NO_VALIDATORS = Validators()


def nothing() -> None:
    """Do nothing: the `check` of a download that cannot be cancelled."""


class Response:
    """A response with an unread body. Close it, or use it as a context manager.

    offset: the body's start within the file. total: the file's size, if known. html: see below. validators: of the
    file. unchanged: the file is as the caller knows it, and there is no body.
    """

    def __init__(
        self,
        url: str,
        read: Callable[[], bytes],
        close: Callable[[], None],
        *,
        offset: int,
        total: int | None,
        html: bool,
        validators: Validators = NO_VALIDATORS,
        unchanged: bool = False,
    ) -> None:
        self.url = url
        self.offset = offset
        self.total = total
        self.html = html  # the server declares a web page, but the URL does not look like one
        self.validators = validators
        self.unchanged = unchanged
        self._read = read
        self._close = close

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in pieces as they arrive. Raise ShortBody if it ends before the announced size."""
        done = self.offset
        while chunk := self._read():
            done += len(chunk)
            yield chunk
        if self.total is not None and done < self.total:
            raise ShortBody(
                "The download ended early", where=shown(self.url), why=f"{done} of {self.total} bytes arrived"
            )

    def close(self) -> None:
        self._close()

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def response_of(url: str, offset: int, answer: urllib3.BaseHTTPResponse, *, conditional: bool) -> Response:
    """Return the response of a server. Raise an HttpError for a status that has no file.

    offset: the first byte that was asked for. conditional: the request told what the caller has of the file.
    """
    import urllib3

    status = answer.status
    length = answer.headers.get("Content-Length", "")
    total = int(length) if _LENGTH.match(length) and not answer.headers.get("Transfer-Encoding") else None
    start = 0
    if status == 206:
        match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
        if match is None or match[1] is None or int(match[1]) != offset:
            answer.close()
            raise ServerError("The server sent a different range than requested", where=shown(url))
        start = offset
        total = int(match[2]) if match[2] != "*" else (None if total is None else total + offset)
    elif status == 416:
        answer.close()
        match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
        size = int(match[2]) if match and match[2] != "*" else None
        return Response(url, lambda: b"", nothing, offset=offset if size == offset else 0, total=size, html=False)
    elif status == 304 and conditional:
        answer.close()
        return Response(url, lambda: b"", nothing, offset=0, total=None, html=False, unchanged=True)
    elif status != 200:
        wait = answer.headers.get("Retry-After", "")
        answer.close()
        raise status_error(url, status, answer.reason or "", wait)

    def read() -> bytes:
        try:
            data: bytes = answer.read1(CHUNK)
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            if total is not None and ended_early(error):
                return b""  # `Response.chunks` reports it with the byte counts
            translate(error, url)
        return data

    page = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"
    html = page and not split_url(url).path.endswith((".html", ".htm", "/"))
    validators = Validators(*(_header(answer, name) for name in ("ETag", "Last-Modified")))
    return Response(url, read, answer.close, offset=start, total=total, html=html, validators=validators)


def _header(answer: urllib3.BaseHTTPResponse, name: str) -> str:
    """Return a header that can be sent back, or ""."""
    value = answer.headers.get(name, "")
    return value if len(value) <= MAX_VALIDATOR and value.isascii() and value.isprintable() else ""


def open_file(url: str, offset: int) -> Response:
    """Open a file of this machine by its URL, from byte `offset` on. Raise an HttpError if it cannot be read."""
    parts = split_url(url)
    if parts.netloc not in ("", "localhost"):
        raise BadUrl("The file URL names another machine", where=shown(url))
    path = unquote(parts.path)
    if not path.startswith("/"):
        raise BadUrl("The path of a file URL must be absolute", where=shown(url))
    try:
        # Reading a device or a pipe could block or never end.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            file.close()
            raise OSError(0, "it is not a regular file")
        size = status.st_size
        start = offset if offset <= size else 0
        file.seek(start)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("There is no such file", where=url) from None
    except (OSError, ValueError) as error:
        raise_limits(error, url)
        raise Refused("The file cannot be read", where=url, why=reason_of(error)) from None

    def read() -> bytes:
        try:
            return file.read(CHUNK)
        except OSError as error:
            raise_limits(error, url)
            raise Refused("The file cannot be read", where=url, why=reason_of(error)) from None

    return Response(url, read, file.close, offset=start, total=size, html=False)
