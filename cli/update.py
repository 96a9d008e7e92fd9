"""`fpack update`: move the lock to what the archive has today."""

from __future__ import annotations

from pathlib import Path
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
  fpack update -p openssl        one package; the others stay where they can
  fpack update --json""",
)
@click.argument("releases", nargs=-1)
@click.option("-p", "--package", "packages", multiple=True, metavar="NAME", help="Move these packages alone.")
@click.option("--allow-older", is_flag=True, help="Accept an index that is older than the locked one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(releases: tuple[str, ...], packages: tuple[str, ...], allow_older: bool, as_json: bool, **rest: Any) -> int:
    """Fetch the newest indexes, verify them, and resolve everything in the lock again. Shows what moved."""
    from .target import find_project
    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        workspace.use_project(find_project(Path.cwd()))
        moved = workspace.source.update(list(releases) or None, packages or None, allow_older=allow_older)
        workspace.source.save()
        place = str(workspace.lock_file)
    if as_json:
        shared.print_json({"lock": place, "moved": [each._asdict() for each in moved]})
        return 0
    if not moved:
        print(f"{place} is up to date.")
        return 0
    rows = [[each.release, each.name, each.old or "-", each.new or "-"] for each in moved]
    print(table([["release", "package", "was", "is"], *rows]))
    print(f"{len(moved)} packages moved in {place}")
    return 0
