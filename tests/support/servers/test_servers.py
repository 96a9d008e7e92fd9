"""Test that the servers of the tests end, and carry on, whatever clients and commands do."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from support.processes.fork_server import can_run, form_of, server
from support.servers.certificates import own_certificate
from support.servers.httpserver import Server


def test_a_client_that_does_not_shake_hands_stops_no_server(tmp_path: Path) -> None:
    web = Server(tmp_path, certificate=own_certificate(tmp_path))
    web.__enter__()
    with socket.create_connection(("127.0.0.1", web._server.server_address[1])):
        end = threading.Thread(target=web.__exit__, args=(None, None, None), daemon=True)
        time.sleep(0.1)  # it has accepted the connection
        end.start()
        end.join(30)
        assert not end.is_alive()


def env() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def test_a_server_of_commands_that_was_killed_is_started_again(tmp_path: Path) -> None:
    first = server(("env",))
    os.kill(first._process.pid, signal.SIGKILL)
    with pytest.raises((AssertionError, OSError)):
        first.run(["--version"], tmp_path, env(), 60)
    first._process.wait(60)
    second = server(("env",))
    assert second.run(["--version"], tmp_path, env(), 60).returncode == 0
    second._process.kill()


def test_the_first_command_of_each_form_is_started_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert form_of(["pack", "x", "-o", "y", "--format=deb", "--", "-z"]) == ("pack", "--format", "-o")
    assert form_of([]) == ()
    monkeypatch.setattr("support.processes.fork_server._forms", set())
    monkeypatch.setenv("FPACK_TESTS_FORMS", str(tmp_path))
    assert not can_run((), {}, ["build", "x"], "later")
    assert can_run((), {}, ["build", "y"], "later")
    assert not can_run((), {}, ["build", "y", "--json"], "later")
    assert not can_run((), {"LANG": "C"}, ["build", "y"], "later"), "an interpreter reads it when it starts"
    assert not can_run(("bwrap",), {}, ["build", "y"], "later")
    monkeypatch.setattr("support.processes.fork_server._forms", set())
    assert can_run((), {}, ["build", "x"], "later"), "another worker began with it"
    assert can_run((), {}, ["eval"], "1") and not can_run((), {}, ["eval"], "0")
