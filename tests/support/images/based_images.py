"""Projects of a base and of an image that stands on it."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.processes.program import Fpack, world
from support.servers.registry import Registry

UPPER = """
debian = import("fpack/debian").trixie
image = container {{
  name = "upper", tag = "1", base = oci("{base}"), packages = [{packages}]
  files = {{ "/srv/app" = {{ text = "app" }} }}
}}
"""


def push_lower(fpack: Fpack, registry: Registry, folder: Path, text: str) -> str:
    """Pack and push the image `lower` of a new project. Return its reference. text: of its fpack.fp."""
    folder.mkdir()
    (folder / "fpack.fp").write_text(text)
    reference = f"{registry.host}/team/lower:1"
    fpack("pack", "--push", reference, "--plain-http", cwd=folder)
    return f"{reference}@{registry.stored('team/lower').tags['1']}"


def write_upper(folder: Path, base: str, packages: str = "") -> Path:
    """Write a project whose image `upper` stands on a base. packages: terms of its packages."""
    folder.mkdir(exist_ok=True)
    (folder / "fpack.fp").write_text(UPPER.format(base=base, packages=packages))
    return folder


class Lower(NamedTuple):
    """The image `lower` in a registry, and the user who pushed it. base: its reference."""

    fpack: Fpack
    registry: Registry
    base: str


@contextmanager
def pushed_lower(place: Path, text: str) -> Iterator[Lower]:
    """Push the image once, for tests that get a copy each. text: as of `push_lower`."""
    with Registry(api=False) as registry:  # so the list of referrers is stored, which a registry with the API lacks
        fpack = Fpack(place / "home", world(place / "archive"))
        base = push_lower(fpack, registry, place / "lower", text)
        registry.api = True
        yield Lower(fpack, registry, base)


@contextmanager
def copy_of(lower: Lower, home: Path) -> Iterator[Lower]:
    """Yield a copy of the user at `home`, and the registry, which is afterwards as it was."""
    subprocess.run(["cp", "-a", lower.fpack.home, home], check=True)
    registry = lower.registry
    before = copy.deepcopy(registry.repositories)
    registry.clear()
    try:
        yield lower._replace(fpack=Fpack(home, lower.fpack.archive))
    finally:
        registry.repositories, registry.api = before, True
