"""Send requests to servers without a proxy, by connections that threads share and keep open (RFC 9112).

A command that asks a registry one question would spend a third of its time on importing urllib3, or http.client with
its parser of mail. Proxies need urllib3. The errors are those of http.client, which is imported for them.
"""

from __future__ import annotations

import io
import select
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import SplitResult, quote

from fpack.light_typing import TYPE_CHECKING

from .limited_source import MAX_FRAMING, LimitedSource

if TYPE_CHECKING:
    import ssl

MAX_IDLE = 8  # connections to a server
MAX_LINE = 1 << 16  # bytes of a header
MAX_FIELDS = 100  # headers of an answer
_JOINED = 1 << 16  # bytes of a body that is sent together with the headers
_INTERIM = (100, 102, 103)
_HEX = b"0123456789abcdefABCDEF"
_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what a URL has besides letters, digits, `_`, `.` and `-`

_Idle = dict[tuple[str, str], list[socket.socket]]


class NotConnected(OSError):
    """A server that cannot be connected to."""


def _error(name: str, *arguments: object) -> Exception:
    import http.client

    found: Exception = getattr(http.client, name)(*arguments)
    return found


class AnswerHeaders:
    """The headers of an answer, by name in lower case."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def get(self, name: str, default: str) -> str:
        """Return a header, in whatever case. The values of one that is there several times are joined."""
        found = self._fields.get(name.lower())
        return default if found is None else ", ".join(found)


class DirectAnswer:
    """An answer whose body may be unread. Release its connection after reading it, or close it.

    method: of the request. keep: keeps the connection for other requests; None if it cannot have any.
    """

    def __init__(self, connection: socket.socket, method: str, keep: Callable[[socket.socket], None] | None) -> None:
        self._source = LimitedSource(connection.makefile("rb", buffering=0))
        self._file = io.BufferedReader(self._source)
        self._connection = connection
        self._keep = keep
        self._ended = False
        self._chunk: int | None = None  # bytes that are left of a chunk
        try:
            self._begin(method)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, method: str) -> None:
        """Read the headers, and find out how the body ends."""
        version = self._status_line()
        fields = self._fields()
        while self.status in _INTERIM:
            version = self._status_line()
            fields = self._fields()
        self.headers = AnswerHeaders(fields)
        self._source.allowed = sys.maxsize
        coding = self.headers.get("Transfer-Encoding", "").lower()
        self._is_chunked = coding == "chunked"
        self._left = self._length(method, coding)
        tokens = self.headers.get("Connection", "").lower()
        lasts = "close" not in tokens if version > "HTTP/1.0" else "keep-alive" in tokens
        if not lasts or (self._left is None and not self._is_chunked):
            self._keep = None

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise _error("LineTooLong", "header line")
        if not line.endswith(b"\n"):
            raise _error("RemoteDisconnected", "Remote end closed connection without response")
        return line

    def _status_line(self) -> str:
        """Read the first line of an answer. Return the version of the protocol."""
        line = self._line().decode("latin-1").rstrip("\r\n")
        version, _, rest = line.partition(" ")
        status, _, reason = rest.strip().partition(" ")
        if not version.startswith("HTTP/1.") or len(status) != 3 or not status.isascii() or not status.isdigit():
            raise _error("BadStatusLine", line[:200])
        self.status = int(status)
        self.reason: str | None = reason.strip()
        return version

    def _fields(self) -> dict[str, list[str]]:
        """Read headers, or what follows the last chunk."""
        found: dict[str, list[str]] = {}
        last: list[str] = []
        for _ in range(MAX_FIELDS + 1):
            line = self._line().decode("latin-1").rstrip("\r\n")
            if not line:
                return found
            if line[0] in " \t" and last:
                last[-1] += f" {line.strip()}"
                continue
            name, colon, value = line.partition(":")
            if not colon:
                raise _error("HTTPException", "a header has no colon")
            last = found.setdefault(name.strip().lower(), [])
            last.append(value.strip())
        raise _error("HTTPException", f"got more than {MAX_FIELDS} headers")

    def _length(self, method: str, coding: str) -> int | None:
        """Return the bytes of the body, or None if its end tells."""
        if self.status in (204, 304) or method == "HEAD":
            self._is_chunked = False
            return 0
        sizes = {text.strip() for text in self.headers.get("Content-Length", "").split(",")}
        if coding:
            return None
        if len(sizes) > 1:
            raise _error("HTTPException", "the answer has two lengths")
        (text,) = sizes
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

    def read1(self, size: int) -> bytes:
        """Return some of the body, or b"" at its end. Raise IncompleteRead if it ends early."""
        self._source.allowed = max(size, io.DEFAULT_BUFFER_SIZE) + MAX_FRAMING
        try:
            if self._is_chunked:
                return self._of_chunk(size)
            data = self._file.read1(size if self._left is None else min(size, self._left)) if self._left != 0 else b""
        finally:
            self._source.allowed = sys.maxsize
        if self._left is None:
            self._left = None if data else 0
        elif not data and self._left:
            raise _error("IncompleteRead", b"", self._left)
        else:
            self._left -= len(data)
        return data

    def _of_chunk(self, size: int) -> bytes:
        if not self._chunk:
            if self._chunk == 0:
                self._file.read(2)  # the end of the line
            number = self._file.readline(MAX_LINE + 1).partition(b";")[0].strip()
            if not number or number.strip(_HEX) or len(number) > 16:
                raise _error("IncompleteRead", b"")
            self._chunk = int(number, 16)
            if not self._chunk:
                while self._line().rstrip(b"\r\n"):
                    pass
                self._is_chunked, self._left = False, 0
                return b""
        data = self._file.read1(min(size, self._chunk))
        if not data:
            raise _error("IncompleteRead", b"")
        self._chunk -= len(data)
        return data

    @property
    def length_remaining(self) -> int | None:
        """Return how many bytes of the body are unread, or None if that is not known."""
        return self._left

    def release_conn(self) -> None:
        """Keep the connection for other requests. The body was read."""
        if self._ended:
            return
        self._ended = True
        self._file.close()
        if self._keep is None:
            self._connection.close()
        else:
            self._keep(self._connection)

    def close(self) -> None:
        """Close the connection."""
        if not self._ended:
            self._ended = True
            self._file.close()
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
        """Send a request. parts: of the URL. headers: with Content-Length if there is a body. connect, read: limits of
        time in seconds.

        Raise NotConnected, or what http.client, ssl and sockets raise.
        """
        authority = parts.netloc.rpartition("@")[2]
        key = (parts.scheme, authority)
        path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        connection = self._take(key) or self._open(parts, authority, connect)
        try:
            connection.settimeout(read)
            whole = True
            try:
                _send(connection, [lines[0], f"Host: {_host(parts)}", *lines[1:]], body)
            except (BrokenPipeError, ConnectionResetError):
                whole = False  # the server may have answered before it read the body
            return DirectAnswer(connection, method, (lambda one: self._put(key, one)) if whole else None)
        except BaseException:
            connection.close()
            raise

    def _open(self, parts: SplitResult, authority: str, limit: float) -> socket.socket:
        host = parts.hostname or ""
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host.encode("idna")
        except ValueError as error:
            raise _error("InvalidURL", str(error)) from None
        context = None
        if parts.scheme == "https":
            with self._lock:
                context = self._contexts.get(authority)
                if context is None:
                    context = self._contexts[authority] = self._context(authority)
        try:
            connection = socket.create_connection((host, port), limit)
        except socket.gaierror:
            raise
        except OSError as error:
            raise NotConnected(*error.args) from error
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection if context is None else context.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise

    def _take(self, key: tuple[str, str]) -> socket.socket | None:
        """Return an open connection, or None. The server may have closed one meanwhile, which looks like an answer."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                found = idle.pop() if idle else None
            if found is None:
                return None
            poll = select.poll()
            poll.register(found, select.POLLIN)
            if not poll.poll(0):
                return found
            found.close()

    def _put(self, key: tuple[str, str], connection: socket.socket) -> None:
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if len(idle) < MAX_IDLE:
                idle.append(connection)
                return
        connection.close()


def _host(parts: SplitResult) -> str:
    """Return the value of the header Host."""
    host = (parts.hostname or "").encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, 443 if parts.scheme == "https" else 80) else f"{host}:{parts.port}"


def _send(connection: socket.socket, lines: list[str], body: bytes | Iterable[bytes]) -> None:
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header has more than one line")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if isinstance(body, bytes) and len(body) <= _JOINED:
        connection.sendall(head + body)
        return
    connection.sendall(head)
    for piece in [body] if isinstance(body, bytes) else body:
        connection.sendall(piece)


def _close(idle: _Idle) -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()
