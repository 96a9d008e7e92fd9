"""Kept locks on real servers: a bucket of moto, and a directory that nginx serves by HTTPS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.archives.shells import world
from support.processes.program import Fpack
from support.servers.certificates import own_certificate
from support.servers.real_servers import fetched, moto, nginx

pytestmark = pytest.mark.network

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


def test_a_bucket_of_moto(project: Project) -> None:
    with moto() as env:
        project.fpack("lock", "--keep", "s3://bucket/kept", cwd=project.path, env=env)
        assert project.packed_by_another("s3://bucket/kept", **env) == project.wanted
        (row,) = json.loads(project.fpack("mirror", "check", "s3://bucket/kept", "--json", env=env).stdout)["locks"]
        assert not row["problems"] and row["signed"] == row["packages"]


def test_a_directory_that_nginx_serves_by_https(project: Project) -> None:
    folder = project.folder
    project.fpack("lock", "--keep", folder / "kept", cwd=project.path)
    pem = own_certificate(folder)
    with nginx(folder, fetched("nginx", folder), pem) as server:
        address = f"{server}/kept"
        assert project.packed_by_another(address, SSL_CERT_FILE=f"{pem}.crt") == project.wanted
        stranger = Fpack(folder / "stranger", project.fpack.archive)
        stranger.env["FPACK_MIRROR"] = f"kept={address} only"
        stranger.env["SSL_CERT_FILE"] = "/dev/null"
        assert "certificate" in stranger.fails("pack", cwd=project.path)  # nobody signed this one
