"""Servers that fail are asked last for a while, and this is told once."""

from __future__ import annotations

from pathlib import Path

from fpack.builders.net.backoff import PAUSE, HostBackoff
from fpack.builders.net.errors import NotFound, ServerError, Unreachable
from fpack.builders.net.http import Http
from fpack.builders.net.response import NO_VALIDATORS, Response, Validators

URLS = ["https://a/x", "https://b/x", "file:///c"]


def test_a_host_that_fails_is_asked_last() -> None:
    said: list[str] = []
    now = [0.0]
    hosts = HostBackoff(said.append, lambda: now[0])
    assert hosts.ordered(URLS) == URLS
    hosts.failed(URLS[0], Unreachable("The server cannot be reached", why="no route"))
    hosts.failed(URLS[1], NotFound("The server does not have the file"))
    assert hosts.ordered(URLS) == [URLS[1], URLS[2], URLS[0]]
    hosts.failed("https://a/y", Unreachable("The server cannot be reached"))
    assert len(said) == 1 and said[0].startswith("warning: a is asked last")
    now[0] += PAUSE * 2 + 1
    assert hosts.ordered(URLS) == URLS


def test_a_server_that_throttles_is_left_alone_for_as_long_as_it_asks() -> None:
    now = [0.0]
    hosts = HostBackoff(print, lambda: now[0])
    hosts.failed(URLS[0], ServerError("The server failed", why="429").with_(retry_after=1000.0))
    now[0] = 999.0
    assert hosts.ordered(URLS)[-1] == URLS[0]
    now[0] = 1001.0
    assert hosts.ordered(URLS) == URLS


def test_a_dead_mirror_delays_one_file_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    asked: list[str] = []

    class Dead(Http):
        def open(self, url: str, offset: int = 0, known: Validators = NO_VALIDATORS) -> Response:
            asked.append(url)
            if url.startswith("http"):
                raise Unreachable("The server cannot be reached", where=url)
            return super().open(url, offset, known)

    said: list[str] = []
    http = Dead(retries=0, environ={}, hosts=HostBackoff(said.append))
    urls = ["http://dead.invalid/file", (tmp_path / "file").as_uri()]
    for number in range(3):
        assert http.download(urls, tmp_path / str(number)).url == urls[1]
    assert asked == [*urls, urls[1], urls[1]] and len(said) == 1
