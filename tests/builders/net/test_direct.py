"""Requests without a proxy: connections are kept, dropped ones are opened again, and bodies end where they should."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import IncompleteRead, InvalidURL
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from fpack.builders.net.direct import DirectAnswer, DirectConnections, NotConnected
from fpack.builders.net.errors import BadUrl, HttpError, Unreachable, translate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def serving(*connections: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the URL of a server that deals with each connection in turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for act in connections:
                peer, _ = server.accept()
                with peer:
                    act(peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(60)
        assert not thread.is_alive()


def answers(*texts: bytes) -> Callable[[socket.socket], None]:
    """Answer requests without a body on one connection, and close it."""

    def act(peer: socket.socket) -> None:
        for text in texts:
            data = b""
            while not data.endswith(b"\r\n\r\n"):
                piece = peer.recv(1000)
                assert piece
                data += piece
            peer.sendall(text)

    return act


def refuse(_: str) -> NoReturn:
    raise AssertionError("no TLS")


def ask(direct: DirectConnections, url: str, method: str = "GET", body: bytes | Iterator[bytes] = b"") -> DirectAnswer:
    size = {} if isinstance(body, bytes) else {"Content-Length": str(100 << 20)}
    return direct.request(method, urlsplit(url), size, body, 60, 60)


def content(answer: DirectAnswer) -> bytes:
    data = b"".join(iter(lambda: answer.read1(100), b""))
    assert answer.length_remaining == 0
    answer.release_conn()
    answer.close()  # without effect: the connection may be another request's
    return data


def test_requests_share_a_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with serving(answers(OK, chunked, OK)) as url:
        direct = DirectConnections(refuse)
        assert [content(ask(direct, url)) for _ in range(3)] == [b"ok"] * 3


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    with serving(answers(OK), answers(b"HTTP/1.1 200 OK\r\n\r\nto the end"), answers(OK)) as url:
        direct = DirectConnections(refuse)
        assert content(ask(direct, url)) == b"ok"
        ((connection, *_),) = direct._idle.values()
        assert select.select([connection.sock], [], [], 60)[0], "the end of the connection has not come"
        answer = ask(direct, url)
        assert answer.length_remaining is None and content(answer) == b"to the end"
        assert content(ask(direct, url)) == b"ok"


def test_headers() -> None:
    text = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nwww-authenticate: Basic\r\nWWW-Authenticate: Bearer\r\n\r\n"
    with serving(answers(text)) as url:
        answer = ask(DirectConnections(refuse), url)
        answer.close()
        assert (answer.status, answer.reason) == (401, "No")
        assert answer.headers.get("WWW-Authenticate", "") == "Basic, Bearer"
        assert answer.headers.get("Location", "none") == "none"


def test_a_body_that_ends_early() -> None:
    with serving(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")) as url:
        answer = ask(DirectConnections(refuse), url)
        with pytest.raises(IncompleteRead):
            content(answer)
        assert answer.length_remaining == 4
        answer.close()


def test_an_answer_before_the_body_was_read() -> None:
    def act(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1 << 20):
            pass

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(1 << 20)

    with serving(act) as url:
        answer = ask(DirectConnections(refuse), url, "PUT", pieces())
        assert answer.status == 413
        answer.close()


def test_a_failure_of_the_content_is_passed_on() -> None:
    def act(peer: socket.socket) -> None:
        while peer.recv(1 << 20):
            pass

    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("content")

    with serving(act) as url, pytest.raises(KeyError):
        ask(DirectConnections(refuse), url, "PUT", pieces())


def test_errors_have_their_classes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    expected: dict[str, tuple[type[Exception], type[HttpError]]] = {
        f"http://127.0.0.1:{port}/": (NotConnected, Unreachable),
        "http://no-such-host.invalid/": (socket.gaierror, Unreachable),
        f"http://{'a' * 70}.example/": (InvalidURL, BadUrl),
        "http://localhost:99999/": (InvalidURL, BadUrl),
    }
    for url, (raised, shown) in expected.items():
        with pytest.raises(raised) as caught:
            ask(DirectConnections(refuse), url)
        with pytest.raises(shown):
            translate(caught.value, url)
