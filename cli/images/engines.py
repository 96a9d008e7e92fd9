"""Load an image into a container engine of this machine: pipe it to `podman load` or `docker load`."""

from __future__ import annotations

from collections.abc import Callable

from fpack.store import processes
from fpack.store.errors import FpackError

_MAX_LINES = 4  # lines of an engine's error message


class EngineError(FpackError):
    """A container engine is not installed or does not accept an image."""


def find(engine: str) -> str:
    """Return the command of an engine. Raise EngineError if it is not installed."""
    command = processes.find(engine)
    if command is None:
        raise EngineError(
            f"{engine} is not installed",
            why="there is no such command in PATH",
            hint=f"install {engine}, or write the image to a file with -o and load it where {engine} is",
        )
    return command


def load(engine: str, send: Callable[[int], None]) -> None:
    """Load the image that `send` writes to the descriptor it gets. Raise EngineError with the engine's message on
    failure.

    Nothing is written to disk here; the engine keeps its own data.
    """
    done = processes.feed(engine, ["load", "--quiet"], send, program=find(engine))
    if done.status:
        words = done.output.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"{engine} did not accept the image",
            where=f"{engine} load",
            why="\n".join(words[-_MAX_LINES:]) or f"it exited with status {done.status}",
            hint=f"{engine} info shows whether the engine works; Docker before version 23 needs --compress gzip; "
            "-o FILE writes the image to a file instead",
        )
