"""Servers in containers, as the tests of images meet them: started, asked over loopback, looked at and stopped."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.message import Message
from pathlib import Path
from typing import NamedTuple

from support.processes.podman import Container, Podman
from support.time_limits import WAIT

LOOPBACK = "127.0.0.1"
_PORTS = range(20000, 32000)
_WORKERS = 16
_numbers = itertools.count(random.randrange(len(_PORTS)))  # another run may be under way on this machine

Files = Mapping[str, str | bytes]


def free_port() -> int:
    """Return a port of loopback that nobody listens on, for a server to be started.

    It is none that the kernel gives to connections and to servers without a port of their own (from 32768), which
    could take it before the server does. Up to 16 workers of one run choose apart, and each goes through all its ports
    before it chooses one again.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS
    for number in itertools.islice(_numbers, len(_PORTS) // _WORKERS):
        port = _PORTS[worker + number % (len(_PORTS) // _WORKERS) * _WORKERS]
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind((LOOPBACK, port))
            return port
    raise AssertionError(f"all ports of worker {worker} from {_PORTS[0]} to {_PORTS[-1]} are taken")


def shared(podman: Podman, folder: Path, files: Files) -> Path:
    """Return a directory with these files, to mount: all users can read it, and scripts can be executed."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    place = podman.share(folder)
    for each in (place.parent, place):
        each.chmod(0o755)
    for name in files:
        (place / name).chmod(0o755 if (place / name).read_bytes().startswith(b"#!/") else 0o644)
    return place


def make_certificate(folder: Path) -> dict[str, bytes]:
    """Return a certificate of 127.0.0.1 that signs itself, and its key: `cert.pem` and `key.pem`."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9"]
    out: list[str | Path] = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *out], check=True, capture_output=True)
    return {name: (folder / name).read_bytes() for name in ("cert.pem", "key.pem")}


def trusting(certificate: Mapping[str, bytes]) -> ssl.SSLContext:
    """Return the TLS context of a client that trusts this certificate."""
    return ssl.create_default_context(cadata=certificate["cert.pem"].decode())


@contextmanager
def running(
    podman: Podman, image: str, *command: str, options: list[str] | None = None, network: str = "host"
) -> Iterator[Container]:
    """Yield a container in the background, that is gone afterwards."""
    container = podman.start(image, *command, options=options or [], network=network)
    try:
        yield container
    finally:
        podman.remove(container.name)


def stops(container: Container, seconds: int = 60) -> int:
    """Return the exit status after the stop signal, which must end it: after `seconds`, SIGKILL would make it 137."""
    status = container.stop(seconds)
    assert status != 128 + signal.SIGKILL, container.killed
    return status


class Page(NamedTuple):
    """The answer of a web server."""

    status: int
    body: str
    headers: Message


def fetch(container: Container, url: str, context: ssl.SSLContext | None = None) -> Page:
    """Return a page, as soon as its server answers."""
    end = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10, context=context) as answer:
                return Page(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            return Page(error.code, error.read().decode(), error.headers)
        except OSError:
            assert container.running() and time.monotonic() < end, container.logs()
            time.sleep(0.1)


def ask(port: int, *lines: str, context: ssl.SSLContext | None = None) -> list[str]:
    """Send lines to a server, as soon as it listens, and return the lines of its answer until it hangs up."""
    plain = _connect(port)
    with closing(context.wrap_socket(plain, server_hostname=LOOPBACK) if context else plain) as client:
        client.sendall("".join(f"{line}\r\n" for line in lines).encode())
        answer = b""
        while data := client.recv(4096):
            answer += data
    return answer.decode().split("\r\n")[:-1]


def _connect(port: int) -> socket.socket:
    """Connect to a port of loopback, as soon as a server listens on the port."""
    end = time.monotonic() + WAIT
    while True:
        try:
            return socket.create_connection((LOOPBACK, port), timeout=10)
        except OSError:
            assert time.monotonic() < end, f"nobody listens on port {port}"
            time.sleep(0.05)


def user_of(podman: Podman, container: Container) -> int:
    """Return the user that the container's first process runs as, by the kernel's account, as a number inside."""
    pid = podman("inspect", "-f", "{{.State.Pid}}", container.name).stdout.strip()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    outside = next(int(line.split()[1]) for line in status if line.startswith("Uid:"))
    for row in Path(f"/proc/{pid}/uid_map").read_text().splitlines():
        inside, base, count = map(int, row.split())
        if base <= outside < base + count:
            return inside + outside - base
    raise AssertionError(f"user {outside} has no number in the container")
