"""List the children of this process, among which are the servers of other tests, and what a process waits for."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children() -> set[str]:
    """Return the numbers of this process's children, dead ones included."""
    return _children(Path("/proc/self"))


def describe(pid: int) -> str:
    """Return a line for each thread of a process and of all processes below it: name, state, and where it waits."""
    lines = []
    todo = [Path("/proc", str(pid))]
    while todo:
        process = todo.pop()
        for thread in sorted(process.glob("task/*")):
            with contextlib.suppress(OSError):  # it ends just now
                name, _, fields = (thread / "stat").read_text().rpartition(")")
                lines.append(f"{name.replace('(', '')}: {fields.split()[0]}, {(thread / 'wchan').read_text()}")
        todo += [Path("/proc", child) for child in _children(process)]
    return "\n".join(lines)


def _children(process: Path) -> set[str]:
    found: set[str] = set()
    for path in process.glob("task/*/children"):
        with contextlib.suppress(OSError):
            found.update(path.read_text().split())
    return found
