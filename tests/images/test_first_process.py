"""`podman stop` ends each program at once: one without handlers by the signal, one with a handler as it says."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes.podman import Podman
from support.processes.serving import running, stops

pytestmark = [pytest.mark.podman, pytest.mark.network]

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.dash, debian.coreutils]
  closure = "linked"
  files = {
    "/app/plain.sh" = { text = "#!/bin/sh\\necho up\\nwhile :; do sleep 1; done\\n", mode = "0755" }
    "/app/careful.sh" = {
      text = "#!/bin/sh\\ntrap 'exit 0' TERM\\necho up\\nwhile :; do sleep 0.1; done\\n"
      mode = "0755"
    }
    "/app/plain" = ./plain
    "/app/careful" = ./careful
  }
  command = ["/app/plain.sh"]
}
"""
SOURCE = """
#include <signal.h>
#include <unistd.h>
static void end(int number) { _exit(0); }
int main(void) {
  if (HANDLES) signal(SIGTERM, end);
  write(1, "up\\n", 3);
  for (;;) pause();
}
"""
ENDED = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def archive(fpack: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with four programs: a script and a compiled one, each with and without a handler."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("first-process")
    for name, handles in (("plain", 0), ("careful", 1)):
        command = ["gcc", "-static", "-Os", "-s", f"-DHANDLES={handles}", "-x", "c", "-", "-o", str(folder / name)]
        subprocess.run(command, input=SOURCE.encode(), check=True)
    (folder / "fpack.fp").write_text(PROJECT)
    fpack("pack", f"{folder}/fpack.fp", "-o", folder / "image.tar")
    return folder / "image.tar"


def test_stop_ends_a_program_by_its_own_rules(archive: Path, podman: Podman) -> None:
    image = podman.load(archive)
    entrypoint = podman("inspect", "--type=image", "-f", "{{.Config.Entrypoint}}", image).stdout
    assert "tini" in entrypoint
    for program, status in (("plain.sh", ENDED), ("careful.sh", 0), ("plain", ENDED), ("careful", 0)):
        with running(podman, image, f"/app/{program}", network="none") as container:
            container.wait_for("up")
            assert (program, stops(container)) == (program, status)
