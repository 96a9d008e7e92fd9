"""Projects of a base and of an image that stands on it."""

from __future__ import annotations

from pathlib import Path

from support.processes.program import Fpack
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
