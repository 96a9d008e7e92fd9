"""Answers of servers that are wrong, endless or meant to mislead, and a server that gives one to each request."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LONG = b"9" * 5000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOVED = b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: "
EMPTY = b"Content-Length: 0\r\n\r\n"
ENDLESS = 64 << 20  # bytes that a server sends at most
Answer = (
    bytes | tuple[bytes, bytes]
)  # in which PORT is the server's own; or what it sends first, and then again and again
ANSWERS: dict[str, Answer] = {
    "a length of another digit": OK + b"Content-Length: \xb2\r\n\r\nabc",
    "a length without end": OK + b"Content-Length: " + LONG + b"\r\n\r\nabc",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nabc",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a range of other digits": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/\xd9\xa3\r\n\r\nabc",
    "a range without end": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-2/" + LONG + b"\r\n\r\nabc",
    "a range that begins nowhere": b"HTTP/1.1 206 P\r\nContent-Range: bytes " + LONG + b"-2/3\r\n\r\nabc",
    "another range": b"HTTP/1.1 206 P\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nabc",
    "many ranges": b"HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\n\r\n--x\r\n\r\nabc",
    "a file without end": b"HTTP/1.1 416 No\r\nContent-Range: bytes */" + LONG + b"\r\n" + EMPTY,
    "a pause of another digit": b"HTTP/1.1 503 No\r\nRetry-After: \xb2\r\n" + EMPTY,
    "a pause without end": b"HTTP/1.1 503 No\r\nRetry-After: " + LONG + b"\r\n" + EMPTY,
    "a pause that is no number": b"HTTP/1.1 503 No\r\nRetry-After: nan\r\n" + EMPTY,
    "a login that is no text": MOVED + b"http://u:p\xff%ff@127.0.0.1:1/\r\n\r\n",
    "a place that is none": MOVED + b"http://[::1\r\n\r\n",
    "a port that is none": MOVED + b"http://a:99999999/\r\n\r\n",
    "a file of this machine": MOVED + b"file:///etc/passwd\r\n\r\n",
    "a host that is none": MOVED + b"http://\r\n\r\n",
    "a host of other letters": MOVED + b"http://\xc3\xa4.\xff/\r\n\r\n",
    "a host that looks like a login": MOVED + b"http://127.0.0.1:PORT\\@127.0.0.1:1/\r\n\r\n",
    "a place with control characters": MOVED + b"/x\x00\x1b y\r\n\r\n",
    "itself": MOVED + b"/x\r\n\r\n",
    "a chunk that is none": CHUNKED + b"zz\r\nabc",
    "a chunk without end": CHUNKED + b"f" * 60 + b"\r\nabc",
    "a chunk of a negative size": CHUNKED + b"-5\r\nabcdefgh\r\n0\r\n\r\n",
    "chunks without end": (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "trailers without end": (CHUNKED + b"0\r\n", b"A: b\r\n" * 9999),
    "interim answers without end": (b"", b"HTTP/1.1 100 C\r\n\r\n" * 999),
    "another answer behind it": OK + b"Content-Length: 2\r\n\r\n{}" + OK + b"Content-Length: 2\r\n\r\n{}",
    "compressed content": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b'{"tags":["x"]}'),
    "another transfer": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n",
    "the next protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a question of a proxy": b"HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic realm=x\r\n" + EMPTY,
    "a question without end": b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="' + b"x" * 60_000 + b'"\r\n' + EMPTY,
    "a question for a token of its own":
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="http://127.0.0.1:PORT/x",service="x"\r\n' + EMPTY,
    "a page in place of a file": OK + b"Content-Type: text/html\r\n\r\n<!DOCTYPE html><html>Log in",
    "too many headers": OK + b"A: b\r\n" * 200 + b"\r\nabc",
    "a header without end": OK + b"A: " + b"x" * 100_000 + b"\r\n\r\nabc",
    "a status that is none": b"HTTP/1.1 abc\r\n\r\n",
    "a status without end": b"HTTP/1.1 99999 " + b"x" * 60_000 + b"\r\n\r\n",
    "words for a terminal": b"HTTP/1.1 500 \x1b[31m\xff\x00\r\n" + EMPTY,
    "no HTTP": b"GARBAGE\r\n\r\n",
    "nothing": b"",
}  # fmt: skip


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Run a server that gives this answer to every request; yield its URL."""
    first, again = answer if isinstance(answer, tuple) else (answer, b"")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer_one(client: socket.socket) -> None:
            with suppress(OSError), client:
                client.recv(1 << 16)
                client.sendall(first.replace(b"PORT", b"%d" % port))
                for _ in range(ENDLESS // len(again) if again else 0):
                    client.sendall(again)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer_one, args=server.accept()[:1], daemon=True).start()

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{port}/x"
        finally:
            server.shutdown(socket.SHUT_RDWR)  # closing a socket does not end an `accept` that waits
            serving.join()
