"""Containers on bases in docker-registry: Debian as mmdebstrap installs it, and an image of fpack."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.processes.podman import Podman
from support.processes.program import Fpack
from support.reports.vulnerabilities import entry, state
from support.servers.real_servers import DockerRegistry, installed

pytestmark = [pytest.mark.network, pytest.mark.podman]

PROJECT = """
debian = import("fpack/debian").{codename}
image = container {{
  name = "app"
  base = oci("{base}")
  packages = [debian.busybox-static]
  users = {{ keeper = {{ uid = 1234, gid = 1234 }} }}
  user = "keeper"
  files = {{ "{file}" = "welcome\\n" }}
  entrypoint = ["/bin/busybox", "cat", "/srv/welcome"]
}}
"""


class Base(NamedTuple):
    """An image in a registry. reference: with a digest. layers: their digests. codename: of its release of Debian."""

    reference: str
    layers: list[str]
    codename: str


def run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def mirror(codename: str) -> str:
    """Return the mirror of a release that the machine is configured for."""
    listed = run("apt-get", "indextargets", "--format", "$(CODENAME) $(ORIGIN) $(REPO_URI)", "Created-By: Packages")
    found = [row.split()[2] for row in listed.splitlines() if row.split()[:2] == [codename, "Debian"]]
    if not found:
        pytest.skip("this machine has no mirror of Debian")
    return found[0]


@pytest.fixture(scope="module")
def base(registry: DockerRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    for program in ("buildah", "mmdebstrap"):
        installed(program)
    place = tmp_path_factory.mktemp("base")
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    run("mmdebstrap", "--variant=essential", codename, place / "root.tar", mirror(codename))
    own = ["buildah", "--root", place / "storage", "--runroot", place / "run", "--storage-driver=vfs"]
    policy = place / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    container = run(*own, "from", "scratch")
    run(*own, "add", container, place / "root.tar", "/")
    run(*own, "config", "--env", "TEAM=base", "--cmd", "/bin/sh", container)
    image = run(*own, "commit", "-q", "--signature-policy", policy, container)
    push = ["push", "-q", "--signature-policy", policy, "--tls-verify=false", "--digestfile", place / "digest"]
    run(*own, *push, image, f"docker://{registry.host}/team/base:1")
    run(*own, "rm", "-a")
    shutil.rmtree(place / "storage")
    digest = (place / "digest").read_text()
    document = registry.repository("team/base").manifest(digest)
    assert document is not None
    layers = [layer["digest"] for layer in json.loads(document.data)["layers"]]
    yield Base(f"{registry.host}/team/base:1@{digest}", layers, codename)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    fpack = Fpack(tmp_path_factory.mktemp("user") / "home")
    fpack.use_mirrors_of_the_machine()
    return fpack


def write(fpack: Fpack, base: Base, file: str = "/srv/welcome") -> Path:
    folder = fpack.home / "project"
    folder.mkdir(exist_ok=True)
    (folder / "fpack.fp").write_text(PROJECT.format(base=base.reference, codename=base.codename, file=file))
    return folder


class Pushed(NamedTuple):
    """An image that stands on the base. reads: of the base's layers while it was packed and pushed. folder: project."""

    reference: str
    digest: str
    reads: int
    folder: Path


@pytest.fixture(scope="module")
def pushed(user: Fpack, base: Base, registry: DockerRegistry) -> Pushed:
    reference = f"{registry.host}/team/app:1"
    before = reads(registry, base)
    folder = write(user, base)
    words = ("pack", "#image", "--push", reference, "--plain-http", "--sbom", "--json")
    done = user(*words, cwd=folder, timeout=900)
    return Pushed(reference, json.loads(done.stdout)["digest"], reads(registry, base) - before, folder)


def reads(registry: DockerRegistry, base: Base) -> int:
    return sum(registry.count("GET", f"/blobs/{layer}") for layer in base.layers)


def test_its_layers_stay_in_the_registry(user: Fpack, base: Base, pushed: Pushed, registry: DockerRegistry) -> None:
    """Each is read once, for the list of its files, and mounted; after a change of the container it is not read."""
    document = registry.repository("team/app").manifest("1")
    assert document is not None and document.digest == pushed.digest
    assert [layer["digest"] for layer in json.loads(document.data)["layers"]][: len(base.layers)] == base.layers
    assert pushed.reads == len(base.layers)
    assert all(registry.repository("team/app").has_blob(layer) for layer in base.layers)
    before = reads(registry, base)
    folder = write(user, base, "/srv/other")
    user("pack", "#image", "--push", f"{registry.host}/team/app:2", "--plain-http", cwd=folder, timeout=900)
    assert reads(registry, base) == before


def test_its_files_stand_in_the_manifest(user: Fpack, base: Base, pushed: Pushed) -> None:
    def traced(path: str) -> dict[str, Any]:
        done = user("trace", path, pushed.reference, "--plain-http", "--json", cwd=pushed.folder)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    theirs, own = traced("/usr/bin/dash"), traced("/usr/bin/busybox")
    assert theirs["origin"]["made_by"] == "ocilayer" and theirs["layer"]["digest"] == base.layers[0]
    assert own["package"]["name"] == "busybox-static" and own["layer"]["digest"] not in base.layers
    assert "self-consistent" in user("verify", pushed.reference, "--plain-http", cwd=pushed.folder, timeout=600).stdout


def test_it_runs_with_the_accounts_and_links_of_both(one_podman: Podman, base: Base, pushed: Pushed) -> None:
    one_podman("pull", "-q", "--tls-verify=false", pushed.reference, timeout=600)
    assert one_podman.run(pushed.reference).stdout == "welcome\n"
    inside = 'id -un; grep -c "^www-data:" /etc/passwd; readlink /bin; echo $TEAM; dpkg-query -W -f "\\${Status}" dash'
    shown = one_podman.run(pushed.reference, "-c", inside, options=["--entrypoint", "/bin/sh"]).stdout
    assert shown.split("\n") == ["keeper", "1", "usr/bin", "base", "install ok installed"]


def test_a_file_that_would_hide_one_of_it_is_refused(user: Fpack, base: Base) -> None:
    folder = write(user, base, "/usr/bin/dash")
    message = user.fails("pack", "#image", cwd=folder, timeout=600)
    assert "/usr/bin/dash" in message and "would hide" in message and base.layers[0] in message


def test_its_packages_are_billed_and_audited(user: Fpack, base: Base, pushed: Pushed) -> None:
    bill = json.loads(user("sbom", pushed.reference, "--plain-http", cwd=pushed.folder).stdout)
    origin = {"name": "fpack:from-base", "value": base.reference}
    (dash,) = [part for part in bill["components"] if part["name"] == "dash" and origin in part["properties"]]
    (pushed.folder / "tracker.json").write_text(
        json.dumps({"dash": {"CVE-2026-0001": entry(**{base.codename: state()})}})
    )
    words = ("audit", pushed.reference, "--plain-http", "--data", "tracker.json", "--json")
    found = user(*words, cwd=pushed.folder, status=None).stdout
    assert "CVE-2026-0001" in found and dash["version"] in found


def test_packages_of_an_image_of_fpack_are_those_of_its_own_manifest(
    user: Fpack, registry: DockerRegistry, tmp_path: Path
) -> None:
    """docker-registry has no list of referrers but the tag of the digest."""
    lower = 'image = container { name = "lower", tag = "1", packages = [import("fpack/debian").trixie.busybox-static] }'
    (tmp_path / "fpack.fp").write_text(lower)
    reference = f"{registry.host}/team/lower:1"
    words = ("pack", "#image", "--push", reference, "--plain-http", "--json")
    digest = json.loads(user(*words, cwd=tmp_path, timeout=900).stdout)["digest"]
    (tmp_path / "upper").mkdir()
    fields = 'packages = [], files = { "/srv/welcome" = "welcome\\n" }'
    upper = f'image = container {{ name = "upper", base = oci("{reference}@{digest}"), {fields} }}'
    (tmp_path / "upper" / "fpack.fp").write_text(upper)
    user("pack", "#image", "-o", "upper.tar", cwd=tmp_path / "upper", timeout=600)
    told = user("why", "upper.tar", "/usr/bin/busybox", cwd=tmp_path / "upper").stdout
    assert "busybox-static" in told and f"of the base {reference}@{digest}" in told
    assert "self-consistent" in user("verify", "upper.tar", cwd=tmp_path / "upper", timeout=600).stdout
