"""Find the references to images that this machine knows: what podman has, was pushed, and the project names.

No registry is asked. A name of another's image may hold anything, so only forms of references are offered.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from fpack.store import processes

_HOST = r"(?:localhost|[A-Za-z0-9.-]+[.:][A-Za-z0-9.:-]*)"
_REFERENCE = re.compile(_HOST + r"/[a-z0-9][a-z0-9._/-]{0,200}(?::[\w.-]{1,128})?\Z")
_QUOTED = re.compile(r"[\"(]((?:oci://)?[A-Za-z0-9][^\s\"@()]{1,300})(?:@sha256:[0-9a-f]{64})?\"")
_PATIENCE = 3  # seconds
_MAX_FILE = 4 << 20  # bytes
_MAX_FILES = 64


def known() -> Iterator[tuple[str, str]]:
    """Yield references, each with where it is from; one that several know is yielded once."""
    seen: set[str] = set()
    for name, where in (*_pushed(), *_of_project(), *_of_podman()):
        if name not in seen and _REFERENCE.match(name):
            seen.add(name)
            yield name, where


def _of_podman() -> Iterator[tuple[str, str]]:
    if not processes.find("podman"):
        return
    try:
        done = processes.run("podman", ["images", "--format", "{{.Repository}}:{{.Tag}}"], seconds=_PATIENCE)
    except OSError:
        return
    for name in done.output.decode("utf-8", "replace").split():
        if "<none>" not in name:
            yield name, "image of podman"


def _pushed() -> Iterator[tuple[str, str]]:
    """Yield what was pushed from this machine, by the records of pushes."""
    from fpack.cli.paths import cache_directory

    try:
        entries = sorted(os.scandir(cache_directory() / "pushes"), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries[:_MAX_FILES]:
        try:
            with open(entry.path, "rb") as file:
                repositories = json.loads(file.read(_MAX_FILE))["repositories"]
            for name, row in repositories.items():
                for tag in row["tags"]:
                    if not tag.startswith("sha256:"):
                        yield f"{entry.name.removesuffix('.json')}/{name}:{tag}", "pushed from here"
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def _of_project() -> Iterator[tuple[str, str]]:
    """Yield the references that stand in the project's file as texts."""
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.workspace.target import find_project

    project = find_project(Path.cwd())
    if project is None:
        return
    try:
        with open(project / PROJECT_FILE, "rb") as file:
            text = file.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError:
        return
    for match in _QUOTED.finditer(text):
        yield match[1].removeprefix("oci://"), "in the project"
