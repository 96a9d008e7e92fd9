"""`fpack update`: move the lock to what the archive has today."""

from __future__ import annotations

from typing import Any

import click

from . import options as shared
from .render import table


@click.command(
    "update",
    epilog="""\b
Examples:
  fpack update                   everything in the lock
  fpack update trixie            one release
  fpack update --json""",
)
@click.argument("releases", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(releases: tuple[str, ...], as_json: bool, **rest: Any) -> int:
    """Fetch the newest indexes, verify them, and resolve everything in the lock again. Shows what moved."""
    from .target import find_project
    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        from pathlib import Path

        workspace.use_project(find_project(Path.cwd()))
        moved = workspace.update(list(releases))
        place = str(workspace.lock_file)
    if as_json:
        rows = [{"name": name, "old": old, "new": new} for name, old, new in moved]
        shared.print_json({"lock": place, "moved": rows})
        return 0
    if not moved:
        print(f"{place} is up to date.")
        return 0
    print(table([["package", "was", "is"], *[[name, old or "-", new or "-"] for name, old, new in moved]]))
    print(f"{len(moved)} packages moved in {place}")
    return 0
