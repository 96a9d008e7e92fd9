"""Archives of the curated images, as the fixtures of their tests give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from support.processes.podman import Podman


class Packed(NamedTuple):
    """An image archive, and what `fpack pack --json` said of it."""

    file: Path
    result: dict[str, Any]


Pack = Callable[[str], Packed]
Load = Callable[[Podman, str], str]
