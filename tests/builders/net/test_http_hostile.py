"""Test invalid responses: each results in a download or an HttpError, never in another exception."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fpack.builders.net.errors import HttpError, Refused
from fpack.builders.net.http import Http

LONG = b"9" * 5000
OK = b"HTTP/1.1 200 OK\r\n"
MOVED = b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: "
ANSWERS = {
    "a length of another digit": OK + b"Content-Length: \xb2\r\n\r\nabc",
    "a length without end": OK + b"Content-Length: " + LONG + b"\r\n\r\nabc",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nabc",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a range of other digits": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/\xd9\xa3\r\n\r\nabc",
    "a range without end": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/" + LONG + b"\r\n\r\nabc",
    "a range that begins nowhere": b"HTTP/1.1 206 P\r\nContent-Range: bytes " + LONG + b"-2/3\r\n\r\nabc",
    "a file without end": b"HTTP/1.1 416 No\r\nContent-Range: bytes */" + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "a pause of another digit": b"HTTP/1.1 503 No\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n",
    "a pause without end": b"HTTP/1.1 503 No\r\nRetry-After: " + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "a login that is no text": MOVED + b"http://u:p\xff%ff@127.0.0.1:1/\r\n\r\n",
    "a place that is none": MOVED + b"http://[::1\r\n\r\n",
    "a port that is none": MOVED + b"http://a:99999999/\r\n\r\n",
    "a file of this machine": MOVED + b"file:///etc/passwd\r\n\r\n",
    "a host that is none": MOVED + b"http://\r\n\r\n",
    "a chunk that is none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "a chunk without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 60 + b"\r\nabc",
    "too many headers": OK + b"A: b\r\n" * 200 + b"\r\nabc",
    "a header without end": OK + b"A: " + b"x" * 100_000 + b"\r\n\r\nabc",
    "a status that is none": b"HTTP/1.1 abc\r\n\r\n",
    "no HTTP": b"GARBAGE\r\n\r\n",
    "nothing": b"",
}


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Run a server that sends this response to every request; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                    with client:
                        client.recv(1 << 16)
                        client.sendall(answer)
                except OSError:
                    if server.fileno() < 0:
                        return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x"


@pytest.mark.parametrize("what", list(ANSWERS))
def test_no_answer_is_a_fault(tmp_path: Path, what: str) -> None:
    http = Http(timeout=2, retries=1, backoff=0.01, environ={})
    wrong = hashlib.sha256(b"another").hexdigest()
    with answering(ANSWERS[what]) as url:
        try:
            assert len(http.get([url], limit=1000)[1]) <= 1000
        except HttpError as error:
            assert error.what
        for begun in (b"", b"ab"):
            (tmp_path / "part").write_bytes(begun)
            with pytest.raises(HttpError):
                http.download([url], tmp_path / "part", size=3, sha256=wrong)


def test_only_files_are_downloaded_from_this_machine(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(Refused):
            Http().get([place.as_uri()], limit=1000)
