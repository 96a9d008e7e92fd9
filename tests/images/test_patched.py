"""Ten images in Debian's docker-registry after an update of one library: patched, beside full rebuilds.

Each has a server with a unit and a user of its own, users, files and directories of its container, and a volume.

`-s` prints the table: seconds of the clock, and bytes that were downloaded and sent.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.archives.archive import Archive, file
from support.processes.program import Fpack, world
from support.processes.serving import free_port
from support.servers.httpserver import Server
from support.servers.real_servers import DockerRegistry
from support.stores.elves import elf

pytestmark = pytest.mark.long

IMAGES = 10
LIBRARY, UPDATED = "2:1.0~rc1-1", "2:1.0~rc1-1+deb13u1"
PROJECT = """
debian = import("fpack/debian").trixie
image = container {{
  name = "app{number}", tag = "1", configure = false
  packages = [debian.app{number}, debian.hello]
  wants = ["/usr/share/greet/words"]
  users = {{ operator{number} = {{ uid = 1500, home = "/srv/data" }} }}
  files = {{
    "/etc/motd" = {{ text = "app{number}" }}
    "/etc/app{number}.key" = {{ text = "of app{number}", mode = "0600", uid = 1500, gid = 1500 }}
  }}
  directories = {{ "/srv/data" = {{ mode = "0700", uid = 1500, gid = 1500 }} }}
  volumes = ["/srv/data"]
  ports = [8000]
}}
"""
SERVER = elf() + b"\xff Go buildinf:"  # ends when it gets SIGTERM
UNIT = """[Service]
ExecStart=/usr/sbin/app{number} --listen 8000
User=app{number}
Environment=WORDS=/usr/share/greet/words
"""


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Return an archive in which each image has a package of 4 MB of its own, and all share 2 MB."""
    made = world(tmp_path_factory.mktemp("archive"))
    made.add("hello-data", files={"usr/share/hello/data": file(noise(100, 2 << 20))})
    for number in range(IMAGES):
        files = {
            f"usr/share/app{number}": file(noise(number, 4 << 20)),
            f"usr/sbin/app{number}": file(SERVER, 0o755),
            f"usr/lib/systemd/system/app{number}.service": UNIT.format(number=number),
            f"usr/lib/sysusers.d/app{number}.conf": f"u app{number} -\n",
        }
        made.add(f"app{number}", depends="hello-data, libgreet1", files=files)
    made.publish()
    return made


def projects(fpack: Fpack) -> list[Path]:
    found = []
    for number in range(IMAGES):
        folder = fpack.home / f"app{number}"
        folder.mkdir()
        (folder / "fpack.fp").write_text(PROJECT.format(number=number))
        found.append(folder)
    return found


def push(fpack: Fpack, folder: Path, reference: str) -> tuple[str, int]:
    """Pack and push an image. Return its digest, and the bytes that were sent."""
    done = json.loads(fpack("pack", "--push", reference, "--plain-http", "--json", cwd=folder).stdout)
    return str(done["digest"]), int(done["pushed"]["sent"])


def test_ten_images_are_patched_as_they_would_be_built(
    tmp_path: Path, archive: Archive, registry: DockerRegistry
) -> None:
    fpack = Fpack(tmp_path / "user", archive)
    folders = projects(fpack)
    references = [f"{registry.host}/team/app{number}:1" for number in range(IMAGES)]
    first = [push(fpack, folder, reference) for folder, reference in zip(folders, references, strict=True)]
    words = {"usr/share/greet/words": file(noise(200, 256 << 10))}
    archive.add("libgreet1", UPDATED, suite="trixie-security", files=words)
    archive.publish()

    begun = time.monotonic()
    answer = fpack("patch", *references, "--security", "--plain-http", "--json", timeout=600)
    seconds = time.monotonic() - begun
    patched = json.loads(answer.stdout)["images"]
    new = [image["images"][0]["new"] for image in patched]
    assert all(image["images"][0]["layers"]["new"] == 1 and not image["images"][0]["others"] for image in patched)
    log = registry.log.read_text()
    layers = {layer for image in patched for layer in image["images"][0]["layers"]}
    assert layers == {"new", "kept"} and "panic" not in log

    # A machine that has nothing of the images: of packages that stay, it fetches only those of the servers.
    old = [digest for digest, _ in first]
    named = [f"{text.removesuffix(':1')}@{digest}" for text, digest in zip(references, old, strict=True)]
    before = len(registry.log.read_text())
    with Server(archive.folder) as server:
        fresh = Fpack(tmp_path / "fresh", archive)
        fresh.env["FPACK_MIRROR"] = archive.mirror_at(server.url)
        begun = time.monotonic()
        answer = fresh("patch", *named, "--tag", "fresh", "--security", "--plain-http", "--json", timeout=600)
        elsewhere = time.monotonic() - begun
        debs = [path for method, path, _ in server.requests if method == "GET" and path.endswith(".deb")]
    alone = [image["images"][0] for image in json.loads(answer.stdout)["images"]]
    assert [image["new"] for image in alone] == new and not any(image["notes"] for image in alone)
    # The unit and the program of each server are read. What the images share besides is not fetched.
    names = [path.rpartition("/")[2].partition("_")[0] for path in debs]
    assert sorted(names) == sorted([*["libgreet1"] * IMAGES, *(f"app{number}" for number in range(IMAGES))])
    assert not list((fresh.home / "store" / "store").iterdir())
    fetched = sum((archive.folder / unquote(path).lstrip("/")).stat().st_size for path in debs)
    assert "GET" in registry.log.read_text()[before:]

    # Another machine builds the projects with the new lock, and pushes to other repositories.
    other = Fpack(tmp_path / "other", archive)
    full, moved = [], 0
    begun = time.monotonic()
    for number, (folder, theirs) in enumerate(zip(projects(other), folders, strict=True)):
        (folder / "fpack.lock").write_bytes((theirs / "fpack.lock").read_bytes())
        other("update", "--security", cwd=folder)
        digest, sent = push(other, folder, f"{registry.host}/full{free_port()}/app{number}:1")
        full.append(digest)
        moved += sent
    rebuilt = time.monotonic() - begun
    assert new == full and new != [digest for digest, _ in first]
    sent = sum(image["sent"] for image in patched)
    print(f"\n| {IMAGES} images | seconds | bytes sent |\n| --- | --- | --- |")
    print(f"| fpack patch | {seconds:.1f} | {sent} |\n| full rebuild and push | {rebuilt:.1f} | {moved} |")
    print(f"| fpack patch on a new machine | {elsewhere:.1f} | {fetched} of packages fetched |")
    assert sent * 5 < moved
