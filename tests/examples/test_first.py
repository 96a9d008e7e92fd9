"""The first image of one's own: packed as its README says, run, and asked for its greeting."""

from __future__ import annotations

import shutil
import time
import urllib.request
from pathlib import Path

import pytest
from support.needs import needs_podman
from support.paths import REPOSITORY
from support.processes.podman import Podman
from support.processes.program import Fpack
from support.processes.serving import free_port
from support.stores.shared import shared_store

EXAMPLE = REPOSITORY / "examples" / "first"

pytestmark = [pytest.mark.network, *needs_podman]


def test_it_serves_as_a_user_without_rights(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, podman: Podman
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "first", ignore=shutil.ignore_patterns("*.lock", "*.tar"))
    fpack = Fpack(tmp_path / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    fpack("pack", cwd=tmp_path / "first", timeout=300)
    image = podman.load(tmp_path / "first" / "first.tar")
    port = free_port()
    container = podman.start(image, options=["-e", f"PORT={port}", "-e", "HOST=127.0.0.1"], network="host")
    container.wait_for("listening")
    for _ in range(50):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                assert answer.read() == b"Hello from user 33\n"
            break
        except OSError:
            time.sleep(0.1)
    else:
        raise AssertionError(container.logs())
    container.stop()
