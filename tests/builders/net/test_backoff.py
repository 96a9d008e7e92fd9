"""Servers that fail are asked last for a while, and this is told once."""

from __future__ import annotations

from fpack.builders.net.backoff import PAUSE, HostBackoff
from fpack.builders.net.errors import NotFound, ServerError, Unreachable

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
