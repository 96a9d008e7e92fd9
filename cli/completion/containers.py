"""Find the names of running containers for the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpack.store import processes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z")
_PATIENCE = 3  # seconds


def running() -> Iterator[tuple[str, str]]:
    """Yield the names of running containers, each with a description. An engine that does not answer has none."""
    for engine in ("podman", "docker"):
        if not processes.find(engine):
            continue
        try:
            done = processes.run(engine, ["ps", "--format", "{{.Names}}"], seconds=_PATIENCE)
        except OSError:
            continue
        for name in done.output.decode("utf-8", "replace").split():
            if _NAME.match(name):
                yield name, f"container of {engine}"
