"""The first minute, from a small archive that the test makes: an image is packed, proven, and runs in podman."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.archives.shells import world
from support.processes.podman import missing, podman_as
from support.processes.program import Fpack

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "site"
  packages = [debian.greet, debian.bash]
  files = { "/srv/words" = "some words" }
  entrypoint = ["/usr/bin/greet"]
}
"""


@pytest.mark.skipif(bool(missing()), reason=missing() or "podman is there")
def test_pack_verify_load_run(tmp_path: Path) -> None:
    archive = world(tmp_path / "archive")
    archive.publish()
    fpack = Fpack(tmp_path / "home", archive)
    project = fpack.home / "site"
    project.mkdir()
    (project / "fpack.fp").write_text(PROJECT)
    facts = fpack.pack(cwd=project)
    assert facts["digest"].startswith("sha256:")
    manifest = project / "site.manifest.json"
    done = fpack("verify", "site.tar", "--manifest", manifest, "--json", cwd=project)
    said = json.loads(done.stdout)
    assert said["claim"] == "given" and not said["differences"]
    with podman_as("root" if os.geteuid() == 0 else "rootless") as podman:
        image = podman.load(project / "site.tar")
        assert podman.run(image, "a").stdout == "greet 13 a\n"
