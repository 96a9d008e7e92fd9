"""`fpack log`: what a build wrote while it ran."""

from __future__ import annotations

import sys
from typing import Any

import click

from . import options as shared


@click.command(
    "log",
    epilog="""\b
Example:
  fpack log fpack.fp#app""",
)
@click.argument("what", required=False)
@shared.locking
def command(what: str | None, **rest: Any) -> int:
    """Show the log of the last time that WHAT was built, or was tried to be built."""
    import zstandard
    from fpack.store.errors import StoreError

    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        output = workspace.derivation(workspace.target(what))
        place = workspace.store.root / "logs" / f"{output.derivation.hex()}.zst"
        workspace.finish()
    if not place.exists():
        raise StoreError("There is no log", where=str(place), why="it was not built here, or it had nothing to say")
    with open(place, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as text:
        while chunk := text.read(1 << 16):
            sys.stdout.write(chunk.decode("utf-8", "replace"))
    return 0
