"""A web server on the loopback interface that serves a folder, knows ranges, and misbehaves when told to.

    with Server(folder) as server:
        server.fail("/a.txt", 503, times=2)
        ... fetch f"{server.url}/a.txt" ...
        assert server.requests == [("GET", "/a.txt", None)] * 3

Faults are for one path each, with its query or for any, and hold for `times` requests (None: for all of them).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from support.servers.certificates import use_tls

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"


@dataclass
class _Fault:
    act: Callable[[_Handler], None] | None
    times: int | None
    delay: float = 0.0


class LoopbackServer:
    """A server that answers in threads of this process, until the end of a block. scheme: of its URLs."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], certificate: Path | None = None) -> None:
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self.scheme = "http"
        if certificate is not None:
            use_tls(self._server, certificate)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Server(LoopbackServer):
    """A running server; use it as a context manager. `certificate` is a PEM file with key and certificate, for TLS.

    validators: send ETag and Last-Modified, and 304 for a file that did not change. statuses: of such answers.
    """

    def __init__(
        self, folder: Path, *, certificate: Path | None = None, ranges: bool = True, validators: bool = False
    ) -> None:
        self.folder = folder
        self.ranges = ranges
        self.validators = validators
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.headers: list[dict[str, str]] = []  # of each request, by lower-case name
        self._faults: dict[str, list[_Fault]] = {}
        self._lock = threading.Lock()
        super().__init__(_Handler, certificate)

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    # Faults.

    def fail(self, path: str, status: int, *, times: int | None = None, headers: dict[str, str] | None = None) -> None:
        """Answer with an error status."""
        self._fault(path, lambda handler: handler.answer(status, b"no\n", headers or {}), times)

    def page(self, path: str, *, times: int | None = None) -> None:
        """Answer 200 with a web page, as a captive portal does."""
        self._fault(
            path, lambda handler: handler.answer(200, PAGE, {"Content-Type": "text/html; charset=utf-8"}), times
        )

    def redirect(self, path: str, target: str, *, times: int | None = None) -> None:
        """Answer with a redirect."""
        self._fault(path, lambda handler: handler.answer(302, b"", {"Location": target}), times)

    def cut(self, path: str, after: int, *, times: int | None = None, reset: bool = False) -> None:
        """Announce the whole body, send `after` bytes of it, and end or (`reset`) break the connection."""
        self._fault(path, lambda handler: handler.file(stop=after, reset=reset), times)

    def chunked(self, path: str, *, cut: bool = False, times: int | None = None) -> None:
        """Send the body in chunks, without its size; `cut`: and stop before the last."""
        self._fault(path, lambda handler: handler.chunks(cut), times)

    def slow(self, path: str, seconds: float, *, times: int | None = None) -> None:
        """Wait before the answer."""
        with self._lock:
            self._faults.setdefault(path, []).append(_Fault(None, times, seconds))

    def trickle(self, path: str, pause: float, *, times: int | None = None) -> None:
        """Send the body byte by byte."""
        self._fault(path, lambda handler: handler.file(pause=pause), times)

    def hold(self, path: str, until: threading.Event, sent: threading.Event | None = None) -> None:
        """Send the body but for its last byte, set `sent`, and send the last byte when `until` is set."""
        self._fault(path, lambda handler: handler.file(until=until, sent=sent), None)

    def replace(
        self, path: str, data: bytes, *, times: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """Answer 200 with other bytes."""
        self._fault(path, lambda handler: handler.answer(200, data, headers or {}), times)

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def _fault(self, path: str, act: Callable[[_Handler], None], times: int | None) -> None:
        with self._lock:
            self._faults.setdefault(path, []).append(_Fault(act, times))

    def next_fault(self, path: str) -> _Fault | None:
        """Return the fault of the request that is being answered."""
        with self._lock:
            for fault in self._faults.get(path, []):
                if fault.times is None:
                    return fault
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


class _Quiet(ThreadingHTTPServer):
    """Says nothing about connections that clients or faults broke."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # a body would wait until the client has acknowledged the headers

    @property
    def owner(self) -> Server:
        owner: Server = self.server.owner  # type: ignore[attr-defined]
        return owner

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.owner.requests.append((self.command, self.path, self.headers.get("Range")))
        self.owner.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = self.owner.next_fault(self.path) or self.owner.next_fault(self.path.partition("?")[0])
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if fault is not None:
                time.sleep(fault.delay)
            if fault is not None and fault.act is not None:
                fault.act(self)
            else:
                self.file()

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, cut: bool) -> None:
        """Send the file in chunks."""
        data = (self.owner.folder / unquote(self.path).lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), 10_000):
            piece = data[at : at + 10_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut:
                self.wfile.flush()
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def file(
        self,
        *,
        stop: int | None = None,
        reset: bool = False,
        pause: float = 0.0,
        until: threading.Event | None = None,
        sent: threading.Event | None = None,
    ) -> None:
        """Send the file that the path names, or the part of it that a range asks for."""
        path = self.owner.folder / unquote(self.path.partition("?")[0]).lstrip("/")
        if ".." in path.parts or not path.is_file():
            self.answer(404, b"not found\n", {"Content-Type": "text/html"})
            return
        data = path.read_bytes()
        size = len(data)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.owner.ranges else None
        start = int(match[1]) if match else 0
        end = int(match[2]) + 1 if match and match[2] else size
        if match and start >= size:
            self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        body = data[start:end]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        known = self.owner.validators and self.headers.get("If-None-Match") == etag
        self.owner.statuses.append(304 if known else 206 if match else 200)
        if known:
            self.answer(304, b"", {})
            return
        self.send_response(206 if match else 200)
        if self.owner.validators:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if self.owner.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if match:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if pause:
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(pause)
            return
        if until is not None:
            self.wfile.write(body[:-1])
            self.wfile.flush()
            if sent is not None:
                sent.set()
            until.wait()
            body = body[-1:]
        self.wfile.write(body if stop is None else body[:stop])
        if stop is not None:
            self.wfile.flush()
            self.close_connection = True
            if reset:
                # With a linger time of zero, closing sends a reset instead of an end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                self.connection.close()
