"""Pull from Debian's docker-registry into empty stores; a copy that lost the documents of the image is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from images.test_registries import push
from support.images.greeter import Greeter, greeter
from support.processes.program import Fpack
from support.servers.real_servers import DockerRegistry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Greeter:
    return greeter(tmp_path_factory.mktemp("greeter") / "home")


def test_an_image_comes_back_from_a_real_registry(made: Greeter, registry: DockerRegistry, tmp_path: Path) -> None:
    reference = f"{registry.host}/team/app:1.0"
    pushed = push(made, "#image", reference)
    other = Fpack(tmp_path / "other", made.fpack.archive)
    found = json.loads(other("pull", reference, "--plain-http", "--json").stdout)
    assert found["digest"] == pushed["digest"]
    theirs = {item["path"]: item for item in json.loads(made.fpack("store", "list", "--json").stdout)["paths"]}
    for item in json.loads(other("store", "list", "--json").stdout)["paths"]:
        assert item["size"] == theirs[item["path"]]["size"]
    assert (
        json.loads(other("verify", reference, "--plain-http", "--offline", "--json", status=None).stdout)["differences"]
        == []
    )


def test_a_copy_without_its_documents_is_told(made: Greeter, registry: DockerRegistry, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    push(made, "#image", f"{registry.host}/team/app:1.0")
    words = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
    source, target = (f"docker://{registry.host}/{name}" for name in ("team/app:1.0", "copies/app:1.0"))
    subprocess.run([*words, source, target], check=True, capture_output=True)
    other = Fpack(tmp_path / "other", made.fpack.archive)
    done = other("pull", f"{registry.host}/copies/app:1.0", "--plain-http", status=None)
    assert done.returncode == 1 and "fpack push puts it there" in done.stderr and "fpack try" in done.stderr
