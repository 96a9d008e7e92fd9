"""Hand an image to a container engine of this machine: `podman load` and `docker load`, fed through a pipe."""

from __future__ import annotations

from collections.abc import Callable

from fpack.store import processes
from fpack.store.errors import FpackError

ENGINES = ("podman", "docker")
_SHOWN = 4  # lines of an engine's complaint


class EngineError(FpackError):
    """An engine that is not there, or that does not take an image."""


def find(engine: str) -> str:
    """The command of an engine; EngineError if it is not installed."""
    command = processes.find(engine)
    if command is None:
        raise EngineError(
            f"{engine} is not installed here",
            why="there is no such command in PATH",
            hint=f"install {engine}, or write the image to a file with -o and load it where {engine} is",
        )
    return command


def load(engine: str, send: Callable[[int], None]) -> None:
    """Load what `send` writes to the descriptor that it is given. EngineError with the engine's own words if it fails.

    Nothing is written to disk here; the engine keeps what it needs.
    """
    done = processes.feed(engine, ["load", "--quiet"], send, program=find(engine))
    if done.status:
        words = done.output.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"{engine} did not take the image",
            where=f"{engine} load",
            why="\n".join(words[-_SHOWN:]) or f"it ended with the status {done.status}",
            hint=f"{engine} info says whether it works at all; -o FILE writes the image to a file instead",
        )
