"""Compile the C programs of tests, each once in a process."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def compiled(source: Path, *options: str) -> bytes:
    """Return the program or the library that gcc makes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made")
        subprocess.run(["gcc", "-O1", "-o", made, source, *options], check=True, capture_output=True)
        return made.read_bytes()


def attacker(path: Path) -> None:
    """Write the program that tries what a build or a shell may not do."""
    path.write_bytes(compiled(Path(__file__).parents[1] / "attacks/attacker.c", "-static"))
    path.chmod(0o755)
