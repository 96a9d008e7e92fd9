"""Images to debug: image files in the sandbox, the `debug` variant of a container, and the image debug-tools."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import Debugger
from .test_containers import container

pytestmark = [pytest.mark.podman, pytest.mark.network]


def image_of(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the digests of the layers of an image, and its settings."""
    with tarfile.open(path) as tar:

        def read(digest: str) -> Any:
            return json.load(tar.extractfile("blobs/" + digest.replace(":", "/")))  # type: ignore[arg-type]

        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        manifest = read(index["manifests"][0]["digest"])
        return [layer["digest"] for layer in manifest["layers"]], read(manifest["config"]["digest"])["config"]


@pytest.mark.parametrize("what", ["#bare", "bare.tar"])
def test_an_image_that_does_not_run(debugger: Debugger, what: str) -> None:
    debugger.image("bare")
    script = (
        "echo $COLOR $PWD; ls /.fp/bin/bash /usr/bin/sleep; ! ls /usr/bin/ls; strace -c true 2>&1 | tail -1; exit 6"
    )
    done = debugger("debug", what, "--", "bash", "-c", script, status=6)
    assert done.stdout.startswith("blue /srv/work\n/.fp/bin/bash\n/usr/bin/sleep\n") and "total" in done.stdout
    traced = debugger("debug", what, "--", "sh", "-c", "sleep 100 & p=$!; strace -p $p & sleep 1; kill $p; wait").stderr
    assert "attached" in traced and "killed by SIGTERM" in traced
    assert debugger("debug", what, "--user", "77:88", "--", "id", "-u").stdout == "77\n"
    assert "is for containers" in debugger("debug", what, "--privileged", status=2).stderr


def test_a_variant_of_a_container(debugger: Debugger) -> None:
    project = debugger.podman.home / "project"
    debugger.image("bare")
    debugger("pack", "#bare.debug", "-o", "bare-debug.tar", "--compress", "gzip")
    plain, plain_settings = image_of(project / "bare.tar")
    layers, settings = image_of(project / "bare-debug.tar")
    assert layers[:-1] == plain
    env = [text + ":/.fp/bin:/.fp/sbin" if text.startswith("PATH=") else text for text in plain_settings["Env"]]
    assert settings == {**plain_settings, "Env": env}
    told = debugger("verify", "bare-debug.tar", status=None).stdout
    assert "self-consistent" in told and "/.fp/bin/bash: the container's own" in told
    image = debugger.podman.load(project / "bare-debug.tar")
    # The variables of this test's image make no shell of it.
    options = ["--env", "LD_PRELOAD=", "--entrypoint", "/.fp/bin/bash"]
    done = debugger.podman.run(image, "-c", "ps -e -o comm=; ls -d /usr/bin/sleep", options=options)
    assert done.stdout.splitlines() == ["bash", "ps", "/usr/bin/sleep"]
    assert debugger("debug", "#bare.debug", "--", "ls", "/.fp/bin/bash").stdout == "/.fp/bin/bash\n"


def test_the_image_for_kubectl(debugger: Debugger, bare: str) -> None:
    debugger("pack", "debug-tools", "-o", "debug-tools.tar", "--compress", "gzip")
    image = debugger.podman.load(debugger.podman.home / "project/debug-tools.tar")
    shared = [f"--pid=container:{bare}"]
    done = debugger.podman.run(
        image, "sh", "-c", "cat /proc/1/comm; ls /proc/1/root/usr/bin; strace -V", options=shared
    )
    assert done.stdout.startswith("sleep\nsleep\n")
    with container(debugger, "--user", "4321") as name:
        options = [f"--pid=container:{name}", "--user", "4321"]
        assert debugger.podman.run(image, "ls", "/proc/1/root/usr/bin", options=options).stdout == "sleep\n"
