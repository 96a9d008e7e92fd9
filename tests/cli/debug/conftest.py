"""Fixtures for the tests of `fpack debug`: podman as root and rootless, an image without a shell, and fpack."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import unprivileged
from support.processes.podman import Podman, podman_as

PROJECT = """
debian = import("fpack/debian").trixie
bare = container {
  name = "bare"
  tag = "1"
  packages = [debian.coreutils]
  closure = "linked"
  rules = { coreutils = { keep = ["/usr/bin/sleep"] } }
  entrypoint = ["/usr/bin/sleep", "inf"]
  init = false # process 1 is the program itself
  env = { COLOR = "blue", LD_PRELOAD = "/evil.so", BASH_ENV = "/evil.sh", PROMPT_COMMAND = "touch /evil" }
  workdir = "/srv/work"
  directories = { "/srv/work" = { mode = "1777" } }
}
mounting = container {
  name = "mounting"
  tag = "1"
  packages = [debian.bash, debian.coreutils, debian.mount]
  configure = false
  entrypoint = ["/usr/bin/sleep", "inf"]
  init = false # process 1 is the program itself
}
full = container {
  name = "full"
  tag = "1"
  packages = [debian.bash, debian.coreutils]
  configure = false
  entrypoint = ["/usr/bin/sleep", "inf"]
  init = false # process 1 is the program itself
}
"""

Result = subprocess.CompletedProcess[str]


class Debugger:
    """fpack as the user of a podman, whose containers it finds."""

    def __init__(self, podman: Podman) -> None:
        self.podman = podman
        home = podman.home
        (home / "bin").mkdir()
        engine = home / "bin/podman"
        (command, *options) = podman.command()[podman.command().index("podman") :]
        engine.write_text(f'#!/bin/sh\nexec /usr/bin/{command} {shlex.join(options)} "$@"\n')
        engine.chmod(0o755)
        self.variables = {
            "PATH": f"{home}/bin:/usr/bin:/bin",
            "FPACK_ROOT": f"{home}/fpack",
            "FPACK_GC_AUTOMATIC": "0",
            "TERM": "xterm",
            "SECRET": "of-the-caller",
        }
        (home / "project").mkdir()
        (home / "project/fpack.fp").write_text(PROJECT)
        if podman.owner:
            for path in (home / "project", home / "project/fpack.fp"):
                os.chown(path, int(self.id), int(self.id))
        self.images: dict[str, str] = {}

    @property
    def id(self) -> str:
        """The number of the user."""
        if not self.podman.owner:
            return "0"
        return subprocess.run(
            ["id", "-u", self.podman.owner], capture_output=True, text=True, check=True
        ).stdout.strip()

    def command(self, *words: str) -> list[str]:
        """Return the words that run `fpack WORDS`."""
        (*change, _, _), variables = self._before
        prefix = [*change, "env", "-i"]
        if self.podman.owner and os.getuid() == 0:
            # The user may have no access to fpack and its Python.
            needed = [Path(sys.base_prefix), Path(sys.prefix)]
            prefix = [*unprivileged.prefix(needed, uid=int(self.id)), "/usr/bin/env", "-i"]
        set_ = [*variables, *(f"{key}={value}" for key, value in self.variables.items())]
        return [*prefix, *set_, str(Path(sys.executable).with_name("fpack")), *words]

    @property
    def _before(self) -> tuple[list[str], list[str]]:
        """The words up to the variables with which podman runs, and the variables."""
        words = self.podman.command()
        cut = words.index("-i") + 1
        return words[:cut], words[cut : words.index("podman")]

    def __call__(self, *words: str, status: int | None = 0, text: str | None = None) -> Result:
        done = subprocess.run(
            self.command(*words), cwd=self.podman.home / "project", capture_output=True, text=True, timeout=300,
            input=text, stdin=subprocess.DEVNULL if text is None else None, check=False,
        )  # fmt: skip
        assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def image(self, name: str) -> str:
        """Return an image of the project, in podman."""
        if name not in self.images:
            self("pack", f"#{name}", "-o", f"{name}.tar", "--compress", "gzip")
            self.images[name] = self.podman.load(self.podman.home / "project" / f"{name}.tar")
        return self.images[name]

    def start(self, *options: str, image: str = "bare", command: tuple[str, ...] = ()) -> str:
        """Return the name of a new container."""
        return self.podman.start(self.image(image), *command, options=options).name

    def pid(self, name: str) -> int:
        """Return the number of a container's first process."""
        return int(self.podman("inspect", "-f", "{{.State.Pid}}", name).stdout)


@pytest.fixture(scope="session", params=["root", "rootless"])
def debugger(request: pytest.FixtureRequest) -> Iterator[Debugger]:
    """fpack and podman in both ways in which people use them."""
    with podman_as(request.param) as podman:
        made = Debugger(podman)
        made("debug", "--image", "debian.trixie.dash", "--", "true", status=None)
        yield made


@pytest.fixture
def bare(debugger: Debugger) -> Iterator[str]:
    """Yield a running container without a shell."""
    name = debugger.start()
    yield name
    debugger.podman.remove(name)
