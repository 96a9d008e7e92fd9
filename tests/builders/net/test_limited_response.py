"""Test answers that never end although each read of them does, with both kinds of connections and through a proxy."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from urllib.parse import urlsplit

import pytest
from fpack.builders.net import pace
from fpack.builders.net.connections import system_context
from fpack.builders.net.direct import DirectConnections
from fpack.builders.net.errors import HttpError, TimedOut
from fpack.builders.net.http import Http
from support.servers.hostile_answers import CHUNKED, OK, answering

MANY = 3 << 20
ENDLESS = {
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * (MANY // 25) + OK + b"Content-Length: 3\r\n\r\nabc",
    "trailers": CHUNKED + b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * (MANY // 6) + b"\r\n",
}


def by_http(url: str) -> None:
    assert Http(timeout=20, retries=0, environ={}).get([url], limit=1000)[1] == b"abc"


def by_proxy(url: str) -> None:
    http = Http(timeout=20, retries=0, environ={"https_proxy": url})
    assert http.get(["https://elsewhere.example/x"], limit=1000)[1] == b"abc"


def by_registry(url: str) -> None:
    connections = DirectConnections(lambda host: system_context())
    answer = connections.request("GET", urlsplit(url), {}, b"", 20, 20)
    body = b""
    while data := answer.read1(100):
        body += data
    assert body == b"abc"
    answer.close()


@pytest.mark.parametrize(("client", "kind"), [(by_http, HttpError), (by_registry, HTTPException)])
@pytest.mark.parametrize("what", ENDLESS)
def test_lines_without_an_end_are_refused(client: Callable[[str], None], kind: type[Exception], what: str) -> None:
    with answering(ENDLESS[what]) as url, pytest.raises(kind, match="no part of the file"):
        client(url)


def test_a_proxy_that_never_ends_its_headers_is_refused() -> None:
    with answering(OK + b"A: b\r\n" * (MANY // 6) + b"\r\n") as url, pytest.raises(HttpError, match="no part of"):
        by_proxy(url)


@pytest.mark.parametrize(("client", "kind"), [(by_http, TimedOut), (by_registry, TimeoutError)])
def test_headers_that_come_too_slowly_time_out(
    client: Callable[[str], None], kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WINDOW", 0.0)
    monkeypatch.setattr(pace, "LEAST", 1 << 60)
    # They do not fit into one read.
    headers = b"".join(b"A%d: %s\r\n" % (number, b"x" * 500) for number in range(50))
    with answering(OK + headers + b"Content-Length: 0\r\n\r\n") as url, pytest.raises(kind):
        client(url)
