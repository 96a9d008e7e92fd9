"""Send requests to servers without a proxy, by connections that threads share and keep open.

A command that asks a registry one question would spend a sixth of its time on importing urllib3. Proxies need it.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import SplitResult, quote

from fpack.light_typing import TYPE_CHECKING

from .limited_response import LimitedResponse

if TYPE_CHECKING:
    import ssl

MAX_IDLE = 8  # connections to a server
_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what a URL has besides letters, digits, `_`, `.` and `-`

_Idle = dict[tuple[str, str], list[http.client.HTTPConnection]]


class NotConnected(OSError):
    """A server that cannot be connected to."""


class AnswerHeaders:
    """The headers of an answer."""

    def __init__(self, message: http.client.HTTPMessage) -> None:
        self._message = message

    def get(self, name: str, default: str) -> str:
        """Return a header, in whatever case. The values of one that is there several times are joined."""
        found = self._message.get_all(name)
        return default if found is None else ", ".join(found)


class DirectAnswer:
    """An answer whose body may be unread. Release its connection after reading it, or close it."""

    def __init__(
        self,
        answer: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        keep: Callable[[http.client.HTTPConnection], None] | None,
    ) -> None:
        self._answer = answer
        self._connection = connection
        self._keep = keep
        self._ended = False
        self.status = answer.status
        self.reason: str | None = answer.reason
        self.headers = AnswerHeaders(answer.headers)

    def read1(self, size: int) -> bytes:
        """Return some of the body, or b"" at its end. Raise IncompleteRead if it ends early."""
        data = self._answer.read1(size)
        if not data and self._answer.length:
            raise http.client.IncompleteRead(b"", self._answer.length)
        return data

    @property
    def length_remaining(self) -> int | None:
        """Return how many bytes of the body are unread, or None if that is not known."""
        if self._answer.length is None and self._answer.isclosed():
            return 0
        return self._answer.length

    def release_conn(self) -> None:
        """Keep the connection for other requests. The body was read."""
        if self._ended:
            return
        self._ended = True
        self._answer.close()
        if self._keep is None or self._answer.will_close or self._connection.sock is None:
            self._connection.close()
        else:
            self._keep(self._connection)

    def close(self) -> None:
        """Close the connection."""
        if not self._ended:
            self._ended = True
            self._answer.close()
            self._connection.close()


class DirectConnections:
    """Connections to servers. context: makes the TLS context of a host with its port, which is kept for the host."""

    def __init__(self, context: Callable[[str], ssl.SSLContext]) -> None:
        self._context = context
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._idle: _Idle = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def request(
        self,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes],
        connect: float,
        read: float,
    ) -> DirectAnswer:
        """Send a request. parts: of the URL. connect, read: limits of time in seconds.

        Raise NotConnected, or what http.client, ssl and sockets raise.
        """
        authority = parts.netloc.rpartition("@")[2]
        key = (parts.scheme, authority)
        path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
        connection = self._take(key) or self._open(parts, authority, connect)
        try:
            assert connection.sock is not None
            connection.sock.settimeout(read)
            whole = True
            try:
                connection.request(method, path, body=body or None, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                whole = False  # the server may have answered before it read the body
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return DirectAnswer(answer, connection, (lambda one: self._put(key, one)) if whole else None)

    def _open(self, parts: SplitResult, authority: str, limit: float) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        try:
            port = parts.port or {"https": 443}.get(parts.scheme, 80)
            name = _encoded(host)
        except ValueError as error:
            raise http.client.InvalidURL(str(error)) from None
        context = self._tls(authority) if parts.scheme == "https" else None
        made = http.client.HTTPConnection(host, port, timeout=limit)
        made.response_class = LimitedResponse
        try:
            made.sock = socket.create_connection((name, port), limit)  # type: ignore[arg-type]  # it takes bytes
            made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                made.default_port = 443  # the header Host does not name it
                made.sock = context.wrap_socket(made.sock, server_hostname=host)
        except BaseException as error:
            reached = made.sock is not None
            made.close()
            if isinstance(error, OSError) and not reached and not isinstance(error, socket.gaierror):
                raise NotConnected(*error.args) from error
            raise
        return made

    def _tls(self, authority: str) -> ssl.SSLContext:
        with self._lock:
            if authority not in self._contexts:
                self._contexts[authority] = self._context(authority)
            return self._contexts[authority]

    def _take(self, key: tuple[str, str]) -> http.client.HTTPConnection | None:
        """Return an open connection, or None. The server may have closed one meanwhile, which looks like an answer."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                found = idle.pop() if idle else None
            if found is None:
                return None
            if found.sock is not None:
                poll = select.poll()
                poll.register(found.sock, select.POLLIN)
                if not poll.poll(0):
                    return found
            found.close()

    def _put(self, key: tuple[str, str], connection: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if len(idle) < MAX_IDLE:
                idle.append(connection)
                return
        connection.close()


def _encoded(host: str) -> bytes:
    """Return the name of a host for the resolver, which would load Python's IDNA for a str. Raise ValueError."""
    *labels, last = host.split(".")
    is_plain = host.isascii() and all(0 < len(label) < 64 for label in labels) and len(last) < 64
    return host.encode("ascii" if is_plain else "idna")


def _close(idle: _Idle) -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()
