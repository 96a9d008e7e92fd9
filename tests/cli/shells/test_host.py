"""Test what a shell gets of the machine: sockets of the ssh agent and the display server, and trusted certificates."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.shells import CERTIFICATE
from support.needs import needs_bubblewrap
from support.processes.program import Fpack

pytestmark = needs_bubblewrap

CONNECT = """
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
  struct sockaddr_un to = {AF_UNIX};
  strcpy(to.sun_path, argv[1]);
  puts(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, sizeof to) ? "none" : "reached");
}
"""


@pytest.fixture(scope="module")
def fpack(fpack: Fpack) -> Fpack:
    (fpack.home / "connect.c").write_text(CONNECT)
    subprocess.run(["gcc", "-static", "-o", "connect", "connect.c"], cwd=fpack.home, check=True)
    return fpack


@pytest.fixture(params=["/tmp", "/var/tmp", "/run"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield a directory with two sockets on which somebody listens."""
    if not os.access(request.param, os.W_OK):
        pytest.skip(f"{request.param} cannot be written")
    with tempfile.TemporaryDirectory(prefix="fp", dir=request.param) as name:
        listeners = []
        for each in ("agent", "wayland-7"):
            listeners.append(socket.socket(socket.AF_UNIX))
            listeners[-1].bind(f"{name}/{each}")
            listeners[-1].listen()
        yield Path(name)
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "reached"), (["--pure"], "reached"), (["--network", "off"], "reached"), (["--container"], "none")],
)
def test_agent_and_display_are_reached(fpack: Fpack, folder: Path, options: list[str], said: str) -> None:
    env = {"SSH_AUTH_SOCK": f"{folder}/agent", "XDG_RUNTIME_DIR": str(folder), "WAYLAND_DISPLAY": "wayland-7"}
    script = './connect "${SSH_AUTH_SOCK-/}"; ./connect "${XDG_RUNTIME_DIR-}/${WAYLAND_DISPLAY-}"'
    (fpack.home / "fpack.fp").write_text("")
    done = fpack("shell", *options, "debian.trixie.greet", "--", "sh", "-c", script, env=env)
    assert done.stdout == f"{said}\n{said}\n"


def test_programs_have_a_runtime_directory_of_their_own(fpack: Fpack) -> None:
    place = "/run/user/1234567"
    script = 'stat -c %a "$XDG_RUNTIME_DIR"; touch "$XDG_RUNTIME_DIR/made"'
    for options in ([], ["--pure"]):
        done = fpack("shell", *options, "debian.trixie.greet", "--", "sh", "-c", script, env={"XDG_RUNTIME_DIR": place})
        assert done.stdout == "700\n"
    assert not Path(place).exists()


def test_certificates_are_those_that_the_machine_trusts(fpack: Fpack, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("of a network\n")
    read = ("debian.trixie.greet", "--", "cat", "/etc/ssl/certs/ca-certificates.crt")
    env = {"SSL_CERT_FILE": str(tmp_path / "own.pem")}
    assert fpack("shell", *read, env=env).stdout == "of a network\n"
    for options in (["--pure"], ["--container"]):
        assert fpack("shell", *options, *read, env=env).stdout == CERTIFICATE
