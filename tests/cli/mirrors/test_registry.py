"""Keep locks in a registry, count the requests, and pack from it without an archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.archives.shells import world
from support.fixtures import registry as registry
from support.processes.program import Fpack
from support.servers.registry import Registry, log_in

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  packages = [debian.greet, debian.bash]
  entrypoint = ["/usr/bin/greet"]
}
"""
KEEP = ("lock", "--json", "--keep")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "fpack.fp").write_text(PROJECT)
    return directory


@pytest.fixture
def fpack(tmp_path: Path) -> Fpack:
    archive = world(tmp_path / "archive")
    archive.add("extra", files={"usr/share/extra": "more"})
    archive.publish()
    return Fpack(tmp_path / "home", archive)


def requests(registry: Registry) -> list[str]:
    return [" ".join(request[:2]) for request in registry.requests]


def packed(fpack: Fpack, project: Path, out: Path, **env: str) -> str:
    return str(json.loads(fpack("pack", "--json", "-o", out, cwd=project, env=env).stdout)["digest"])


def test_a_registry_is_a_mirror(fpack: Fpack, project: Path, registry: Registry, tmp_path: Path) -> None:
    address = f"{registry.host}/team/kept"
    (first,) = json.loads(fpack(*KEEP, address, cwd=project).stdout)["kept"]
    assert first["sent"] == first["files"]
    wanted = packed(fpack, project, tmp_path / "a.tar")
    registry.clear()
    (again,) = json.loads(fpack(*KEEP, address, cwd=project).stdout)["kept"]
    assert again["unchanged"] and again["digest"] == first["digest"]
    assert [line.partition("/v2/team/kept/")[0] for line in requests(registry)] == ["HEAD "]
    other = Fpack(tmp_path / "other", fpack.archive)
    registry.clear()
    assert packed(other, project, tmp_path / "b.tar", FPACK_MIRROR=f"kept={address} only") == wanted
    # A package is one request; nothing is looked up.
    assert all(line.startswith("GET /v2/team/kept/blobs/sha256:") for line in requests(registry))
    assert len(set(requests(registry))) == len(requests(registry))
    (row,) = json.loads(fpack("mirror", "check", address, "--json").stdout)["locks"]
    assert not row["problems"] and row["signed"] == row["packages"]


def test_a_changed_lock_sends_what_is_new(fpack: Fpack, project: Path, registry: Registry) -> None:
    address = f"oci://{registry.host}/team/kept:main"
    fpack(*KEEP, address, cwd=project)
    (project / "fpack.fp").write_text(PROJECT.replace("debian.bash", "debian.bash, debian.extra"))
    (done,) = json.loads(fpack(*KEEP, address, cwd=project).stdout)["kept"]
    assert done["sent"] == 1
    tags = registry.stored("team/kept").tags
    assert tags["main"] == done["digest"] and len([tag for tag in tags if tag.startswith("lock-")]) == 2


def test_an_interrupted_keep_sends_the_rest(fpack: Fpack, project: Path, registry: Registry) -> None:
    address = f"{registry.host}/team/kept"
    registry.fail("PUT .*/manifests/", 403)
    fpack(*KEEP, address, cwd=project, status=None)
    assert not registry.stored("team/kept").tags
    registry.heal()
    (done,) = json.loads(fpack(*KEEP, address, cwd=project).stdout)["kept"]
    assert done["sent"] == 0 and done["files"]


def test_a_dead_registry_is_told_once_and_the_archive_serves(
    fpack: Fpack, project: Path, registry: Registry, tmp_path: Path
) -> None:
    registry.fail("GET", 403)
    env = {"FPACK_KEPT": f"{registry.host}/team/kept"}
    done = fpack("pack", "-o", tmp_path / "a.tar", cwd=project, env=env)
    assert done.stderr.count("is not used for now") == 1


def test_credentials_are_those_of_the_host(fpack: Fpack, project: Path, tmp_path: Path) -> None:
    with Registry(user="ann:secret") as registry:
        address = f"{registry.host}/team/kept"
        message = fpack.fails(*KEEP, address, cwd=project)
        assert "secret" not in message
        fpack(*KEEP, address, cwd=project, env=log_in(tmp_path / "auth", registry))
        assert registry.stored("team/kept").tags


@pytest.mark.parametrize("deletes_tags", [True, False])
def test_a_registry_is_cleaned(fpack: Fpack, project: Path, registry: Registry, deletes_tags: bool) -> None:
    address = f"{registry.host}/team/kept"
    (done,) = json.loads(fpack(*KEEP, address, cwd=project).stdout)["kept"]
    if not deletes_tags:
        registry.fail("DELETE .*/manifests/(lock|kept)-", 400)
    assert "the registry frees their files" in fpack("mirror", "gc", address, "--drop", done["id"]).stdout
    assert json.loads(fpack("mirror", "list", address, "--json").stdout)["locks"] == []
    assert not registry.stored("team/kept").manifests


def test_offline_no_registry_is_asked(fpack: Fpack, project: Path, registry: Registry, tmp_path: Path) -> None:
    """Neither as a mirror, which is left out, nor by a command about an image."""
    fpack("lock", cwd=project)
    registry.clear()
    env = {"FPACK_OFFLINE": "1", "FPACK_KEPT": f"{registry.host}/team/kept"}
    fpack("pack", "-o", tmp_path / "a.tar", cwd=project, env=env)
    message = fpack.fails("pull", f"{registry.host}/team/app:1", "--plain-http", env=env)
    assert "fpack is offline" in message and not registry.requests
