"""A lock of postgres in Debian's docker-registry: packed again, without an archive, to the same digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.processes.program import Fpack
from support.servers.real_servers import DockerRegistry

pytestmark = [pytest.mark.long, pytest.mark.network]

PROJECT = """
postgres = import("fpack/postgres")
image = postgres.image
"""


def test_postgres_is_packed_from_its_kept_lock_alone(tmp_path: Path, registry: DockerRegistry) -> None:
    """Another user, whose archive has nothing any more, builds from the registry what the first one built."""
    fpack = Fpack(tmp_path / "user")
    fpack.use_mirrors_of_the_machine()
    project = fpack.home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(PROJECT)
    wanted = fpack.pack("-o", tmp_path / "a.tar", cwd=project, timeout=1200)["digest"]
    address = f"{registry.host}/team/kept"
    (kept,) = json.loads(fpack("lock", "--keep", address, "--json", cwd=project, timeout=1200).stdout)["kept"]
    assert kept["files"] > 50
    other = Fpack(tmp_path / "other")
    copy = other.home / "project"
    copy.mkdir()
    for name in ("fpack.fp", "fpack.lock"):
        (copy / name).write_bytes((project / name).read_bytes())
    other.env["FPACK_MIRROR"] = f"kept={address} only"
    done = other.pack("--frozen", "-o", tmp_path / "b.tar", cwd=copy, timeout=1200)
    assert done["digest"] == wanted
    (checked,) = json.loads(fpack("mirror", "check", address, "--json", timeout=1200).stdout)["locks"]
    assert not checked["problems"] and checked["signed"] == checked["packages"]
