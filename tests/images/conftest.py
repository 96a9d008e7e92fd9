"""What the container tests share: fpack with a store of its own, and podman as root and rootless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.podman import Podman, podman_as

Fpack = Callable[..., Any]


@pytest.fixture(scope="session")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    """Run `fpack ARGUMENT...` as a user who has just installed it, and return what it prints as JSON."""
    home = tmp_path_factory.mktemp("fpack")
    program = Path(sys.executable).with_name("fpack")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FPACK_", "XDG_"))}
    environment |= {"HOME": str(home), "FPACK_ROOT": str(home / "root")}

    def run(*arguments: str | Path, timeout: float = 600) -> Any:
        command = [program, *arguments, "--json"]
        result = subprocess.run(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert result.returncode == 0, f"{command}: exit status {result.returncode}\n{result.stdout}{result.stderr}"
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session", params=["root", "rootless"])
def podman(request: pytest.FixtureRequest) -> Iterator[Podman]:
    """podman in both ways in which people use it."""
    with podman_as(request.param) as podman:
        yield podman


@pytest.fixture(scope="module")
def one_podman() -> Iterator[Podman]:
    """podman in one way, for images that behave alike as root and rootless."""
    with podman_as("rootless" if os.getuid() else "root") as podman:
        yield podman
