"""Ports for servers that tests start."""

from __future__ import annotations

import socket

import pytest
from support.processes import serving


def test_no_port_is_given_where_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((serving.LOOPBACK, 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(serving, "_PORTS", range(port, port + 1))
        monkeypatch.setattr(serving, "_WORKERS", 1)
        with pytest.raises(AssertionError, match="are taken"):
            serving.free_port()
    assert serving.free_port() == port


def test_calls_of_one_worker_choose_apart() -> None:
    ports = [serving.free_port() for _ in range(20)]
    assert len(set(ports)) == 20
