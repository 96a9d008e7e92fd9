"""Kept locks on real servers: a bucket of moto, and a directory that nginx serves by HTTPS."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import own_certificate
from support.program import Fpack
from support.serving import free_port
from support.shells import world

pytestmark = pytest.mark.long

PROJECT = """
debian = import("fpack/debian").trixie
image = container { name = "greeter", packages = [debian.greet, debian.bash], entrypoint = ["/usr/bin/greet"] }
"""


class Project:
    """A project with its user, and the digest of its image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        archive = world(folder / "archive")
        archive.publish()
        self.fpack = Fpack(folder / "home", archive)
        self.path = folder / "project"
        self.path.mkdir()
        (self.path / "fpack.fp").write_text(PROJECT)
        self.wanted = self.packed(self.fpack)

    def packed(self, fpack: Fpack) -> str:
        done = fpack("pack", "--json", "-o", self.folder / f"{fpack.home.name}.tar", cwd=self.path)
        return str(json.loads(done.stdout)["digest"])

    def packed_by_another(self, address: str, **env: str) -> str:
        """Pack it with an empty store from a mirror alone."""
        other = Fpack(self.folder / "other", self.fpack.archive)
        other.env |= {**env, "FPACK_MIRROR": f"kept={address} only"}
        return self.packed(other)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@contextlib.contextmanager
def running(words: list[str | Path], url: str, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Run a server until the end of the block, which begins when it answers."""
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=10, context=context).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def test_a_bucket_of_moto(project: Project) -> None:
    if shutil.which("moto_server") is None:
        pytest.skip("there is no moto_server")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with running(["moto_server", "-H", "127.0.0.1", "-p", str(port)], url):
        urllib.request.urlopen(urllib.request.Request(f"{url}/bucket", method="PUT")).close()
        project.fpack("lock", "--keep", "s3://bucket/kept", cwd=project.path, env=env)
        assert project.packed_by_another("s3://bucket/kept", **env) == project.wanted
        (row,) = json.loads(project.fpack("mirror", "check", "s3://bucket/kept", "--json", env=env).stdout)["locks"]
        assert not row["problems"] and row["signed"] == row["packages"]


def test_a_directory_that_nginx_serves_by_https(project: Project) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    folder, port = project.folder, free_port()
    project.fpack("lock", "--keep", folder / "kept", cwd=project.path)
    pem = own_certificate(folder)
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nuser root;\nevents {{}}\n"
        f"http {{ {temporary} access_log off; server {{ listen 127.0.0.1:{port} ssl; server_name localhost;\n"
        f"ssl_certificate {pem}; ssl_certificate_key {pem}; root {folder}; }} }}\n"
    )
    address = f"https://localhost:{port}/kept"
    context = ssl.create_default_context(cafile=f"{pem}.crt")
    with running([nginx, "-p", folder, "-c", folder / "nginx.conf"], address, context):
        assert project.packed_by_another(address, SSL_CERT_FILE=f"{pem}.crt") == project.wanted
        stranger = Fpack(folder / "stranger", project.fpack.archive)
        stranger.env["FPACK_MIRROR"] = f"kept={address} only"
        stranger.env["SSL_CERT_FILE"] = "/dev/null"
        assert "certificate" in stranger.fails("pack", cwd=project.path)  # nobody signed this one
