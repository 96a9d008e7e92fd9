"""Start the servers that others run: Debian's docker-registry, nginx and moto, and a registry with the referrers API.

They listen on loopback only.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from support.processes.program import Fpack
from support.processes.serving import LOOPBACK, free_port

ANONYMOUS = {"REGISTRY_AUTH_FILE": "/nonexistent"}
_PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


def installed(name: str) -> Path:
    """Return a program of this machine. Skip the test if there is none."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return Path(found)


def fetched(name: str, place: Path) -> Path:
    """Return a program of this machine, or of Debian's package: to install it would start the machine's server."""
    if shutil.which(name, path=_PATH) is not None:
        return installed(name)
    subprocess.run(["apt-get", "download", "-qq", name], cwd=place, check=True, capture_output=True)
    [package] = place.glob(f"{name}_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, place / "package"], check=True)
    [program] = (place / "package").glob(f"usr/*bin/{name}")
    return program


def wait(server: subprocess.Popen[bytes], url: str, context: ssl.SSLContext | None = None) -> None:
    """Wait until a server answers at a URL, with any status."""
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=10, context=context).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert server.poll() is None
            time.sleep(0.05)


@contextmanager
def serving(
    words: Sequence[str | Path], url: str, context: ssl.SSLContext | None = None, **options: Any
) -> Iterator[None]:
    """Run a server until the end of the block, which begins when it answers. options: of `Popen`."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server: subprocess.Popen[bytes] = subprocess.Popen(list(map(str, words)), **(quiet | options))
    try:
        wait(server, url, context)
        yield
    finally:
        server.terminate()
        server.wait()


class DockerRegistry:
    """Debian's registry. log: of its requests. http: more of its configuration's part of that name."""

    def __init__(self, place: Path, program: Path, http: Mapping[str, Any] | None = None) -> None:
        self.host = f"localhost:{free_port()}"
        self.log = place / "log"
        self._program = program
        self._settings = place / "registry.yml"
        self._scheme = "https" if http and "tls" in http else "http"
        value = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(place / "data")}, "delete": {"enabled": True}},
            "http": {"addr": f"{LOOPBACK}:{self.host.partition(':')[2]}", **(http or {})},
        }
        self._settings.write_text(json.dumps(value))

    def start(self, context: ssl.SSLContext | None = None) -> None:
        """Start it, and wait until it answers."""
        with open(self.log, "ab") as log:
            self._server = subprocess.Popen([self._program, "serve", self._settings], stdout=log, stderr=log)
        try:
            wait(self._server, f"{self._scheme}://{self.host}/v2/", context)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self._server.kill()
        self._server.wait()

    def repository(self, name: str) -> RegistryRepository:
        return RegistryRepository(self.host, name, self._scheme, Settings(ANONYMOUS))

    def count(self, method: str, part: str) -> int:
        """Return the number of fpack's requests that it answered."""
        return sum(f'"{method} /v2/' in line and part in line for line in self.log.read_text().splitlines())


@contextmanager
def docker_registry(
    place: Path, program: Path | None = None, context: ssl.SSLContext | None = None, **http: Any
) -> Iterator[DockerRegistry]:
    """Run Debian's registry; skip the test if it is not installed. context: of the client, if `http` has `tls`."""
    registry = DockerRegistry(place, program or installed("docker-registry"), http)
    registry.start(context)
    try:
        yield registry
    finally:
        registry.kill()


class ReferrersRegistry(NamedTuple):
    """A registry with the referrers API. host: with its port. log: of its requests, as `METHOD PATH`."""

    host: str
    log: Path

    def requests(self, method: str, part: str = "") -> list[str]:
        """Return the paths of requests that contain a text."""
        words = [line.split() for line in self.log.read_text().splitlines()]
        return [word[1] for word in words if word[0] == method and part in word[1]]

    def repository(self, name: str) -> RegistryRepository:
        return RegistryRepository(self.host, name, "http", Settings(ANONYMOUS))


@contextmanager
def referrers_registry(tools: Fpack) -> Iterator[ReferrersRegistry]:
    """Run a registry with the referrers API: the machine's, or fpack builds it. tools: reaches Debian's archive."""
    place = tools.home / "referrers"
    shutil.copytree(Path(__file__).with_name("referrers"), place)
    program = shutil.which("referrers-registry")
    if program is None:
        built = json.loads(tools("build", "--json", "#registry", cwd=place, timeout=900).stdout)["disk"]
        program = f"{built}/bin/referrers-registry"
    registry = ReferrersRegistry(f"localhost:{free_port()}", place / "log")
    address = f"{LOOPBACK}:{registry.host.partition(':')[2]}"
    with open(registry.log, "wb") as log, serving([program, address], f"http://{registry.host}/v2/", stdout=log):
        yield registry


@contextmanager
def moto() -> Iterator[dict[str, str]]:
    """Run moto with a bucket named `bucket`, and yield the environment of its clients."""
    url = f"http://{LOOPBACK}:{free_port()}"
    with serving([installed("moto_server"), "-H", LOOPBACK, "-p", url.rpartition(":")[2]], url):
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
        yield {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextmanager
def nginx(place: Path, program: Path | None = None, certificate: Path | None = None) -> Iterator[str]:
    """Serve a directory by nginx, and yield its address. certificate: a file with it and its key, for HTTPS."""
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};" if certificate else ""
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ {temporary} access_log off; server {{ server_name localhost; {tls}\n"
        f"listen {LOOPBACK}:{port}{' ssl' if certificate else ''}; root {place}; }} }}\n"
    )
    address = f"{'https' if certificate else 'http'}://localhost:{port}"
    context = ssl.create_default_context(cafile=f"{certificate}.crt") if certificate else None
    with serving([program or installed("nginx"), "-p", place, "-c", place / "nginx.conf"], f"{address}/", context):
        yield address
