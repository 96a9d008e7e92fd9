"""Keep locks in a directory, and pack from it after the archive has dropped the packages."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.archives.shells import world
from support.processes.program import Fpack
from support.servers.bucket import BucketServer
from support.servers.httpserver import Server

PROJECT = """
debian = import("fpack/debian").trixie
data = fetch { url = "URL", sha512 = "DIGEST" }
image = container {
  name = "greeter"
  packages = [debian.greet, debian.bash]
  entrypoint = ["/usr/bin/greet"]
  env = { DATA = "${data}" }
}
"""


def digest(fpack: Fpack, project: Path, *options: str, **more: object) -> str:
    return str(fpack.pack("-o", "image.tar", *options, cwd=project, **more)["digest"])


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Fpack, Archive, Path]:
    archive = world(tmp_path / "archive")
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    project = tmp_path / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(PROJECT.replace("data = ", "# data = ").replace("  env", "  # env"))
    return fpack, archive, project


def test_a_lock_packs_from_its_mirror_when_the_archive_is_gone(
    kept: tuple[Fpack, Archive, Path], tmp_path: Path
) -> None:
    fpack, archive, project = kept
    first = json.loads(fpack("lock", "--keep", tmp_path / "mirror", "--json", cwd=project).stdout)
    wanted = digest(fpack, project)
    assert first["kept"][0]["sent"] == first["kept"][0]["files"] > 3
    again = json.loads(fpack("lock", "--keep", tmp_path / "mirror", "--json", cwd=project).stdout)
    assert again["kept"][0]["unchanged"]
    shutil.rmtree(archive.folder / "debian" / "pool")
    other = Fpack(tmp_path / "other", archive)
    message = other.fails("pack", cwd=project)
    assert "fpack lock --keep" in message
    assert digest(other, project, "--mirror", f"kept=file://{tmp_path}/mirror", "--mirror", "only") == wanted
    only = {"FPACK_MIRROR": f"kept=file://{tmp_path}/mirror only"}
    # The chain of signatures is in the mirror, too: nothing is left unchecked.
    nobody = Fpack(tmp_path / "nobody", archive)
    checked = json.loads(nobody("verify", "image.tar", "--json", cwd=project, env=only).stdout)
    assert not checked["unchecked"] and not checked["differences"]
    offline = Fpack(tmp_path / "offline", archive)
    done = offline("--offline", "pack", "--json", "-o", "image.tar", cwd=project,
                   env={"FPACK_MIRROR": "", "FPACK_KEPT": f"{tmp_path}/mirror"})  # fmt: skip
    assert json.loads(done.stdout)["digest"] == wanted


@pytest.mark.parametrize("kind", ["bucket", "site"])
def test_a_bucket_and_a_web_server_serve_a_kept_lock(
    kept: tuple[Fpack, Archive, Path], tmp_path: Path, kind: str
) -> None:
    """The archive has newer packages alone. What the place has damaged is told, and not used."""
    fpack, archive, project = kept
    with BucketServer() as bucket, Server(tmp_path / "mirror") as site:
        env = {name: value for name, value in bucket.environ.items() if name != "HOME"}
        place = str(tmp_path / "mirror") if kind == "site" else "s3://bucket/kept"
        fpack("lock", "--keep", place, "--plain-http", cwd=project, env=env)
        wanted = digest(fpack, project)
        (deb,) = archive.folder.glob("debian/pool/**/greet_13_*.deb")
        name = hashlib.sha256(deb.read_bytes()).hexdigest()
        shutil.rmtree(archive.folder / "debian" / "pool")
        archive.add("greet", "99", files={"usr/bin/greet": "newer"})
        archive.publish()
        env["FPACK_MIRROR"] = f"kept={site.url if kind == 'site' else place} only"
        assert digest(Fpack(tmp_path / "other", archive), project, "--frozen", env=env) == wanted
        if kind == "site":
            blob = tmp_path / "mirror" / "blobs" / "sha256" / name
            blob.chmod(0o644)
            blob.write_bytes(b"?" + blob.read_bytes()[1:])
        else:
            (key,) = (key for key in bucket.objects if key.endswith(name))
            bucket.objects[key] = b"?" + bucket.objects[key][1:]
        told = Fpack(tmp_path / "third", archive).fails("pack", "--frozen", cwd=project, env=env)
        assert f"The blob sha256:{name} differs from its digest" in told
