"""Small images that are pushed and patched: the project, the update of a library, and the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.archives.archive import Archive, file
from support.processes.program import Fpack

PROJECT = """
debian = import("fpack/debian").trixie
image = container {{
  name = "{name}", tag = "1", closure = "{closure}", configure = false
  packages = [debian.hello]
  wants = {wants}
  entrypoint = ["/usr/bin/hello"]
  env = {{ NAME = "{name}" }}
  files = {{ "/etc/motd" = {{ text = "{name}" }} }}{more}
}}
"""
WORDS = '["/usr/share/greet/words"]'


def user(tmp_path: Path, archive: Archive, name: str = "user") -> Fpack:
    return Fpack(tmp_path / name, archive)


def project(fpack: Fpack, name: str = "app", closure: str = "linked", more: str = "") -> Path:
    """Write a project. more: fields of its container."""
    folder = fpack.home / name
    folder.mkdir(exist_ok=True)
    text = PROJECT.format(name=name, closure=closure, wants=WORDS if closure == "linked" else "[]", more=more)
    (folder / "fpack.fp").write_text(text)
    return folder


def update(archive: Archive) -> None:
    archive.add(
        "libgreet1", "2:1.0~rc1-1+deb13u1", suite="trixie-security", files={"usr/share/greet/words": "Good evening\n"}
    )
    archive.add("dash", "2.0", files={"usr/bin/dash": file(b"#!new", 0o755), "usr/bin/sh": file(b"#!new", 0o755)})
    archive.publish()


def push(fpack: Fpack, folder: Path, reference: str) -> str:
    pushed = json.loads(fpack("pack", "--push", reference, "--plain-http", "--json", cwd=folder).stdout)
    return str(pushed["digest"])


def patch(fpack: Fpack, *args: str) -> list[dict[str, Any]]:
    done = fpack("patch", *args, "--plain-http", "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["images"]
    return found
