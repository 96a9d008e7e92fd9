"""The network of a container: a helper is not started before bubblewrap has set up the loopback device."""

from __future__ import annotations

import os
import subprocess

import pytest
from fpack.cli.shells.sandbox.network import has_loopback


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
def test_the_loopback_device_is_found_when_it_is_active() -> None:
    script = "echo made; read go; ip link set lo up; echo active; read end"
    words = ["unshare", "--net", "sh", "-c", script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "made\n" and not has_loopback(process.pid)
        process.stdin.write("go\n")
        assert process.stdout.readline() == "active\n" and has_loopback(process.pid)
    assert has_loopback(process.pid), "the process has ended: there is nothing to wait for"
