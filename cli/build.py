"""`fpack build`: make something and link to the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import options as shared


@click.command(
    "build",
    epilog="""\b
Examples:
  fpack build postgres                  the image's directory, linked from ./result
  fpack build fpack.fp#app -o app       an attribute of a file, linked from ./app
  fpack build fpack.fp#app --no-link --json""",
)
@click.argument("what", required=False)
@click.option("-o", "--link", type=click.Path(path_type=Path), default=Path("result"), help="The link to make.")
@click.option("--no-link", is_flag=True, help="Make no link. Then the next gc may delete the result.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(what: str | None, link: Path, no_link: bool, as_json: bool, **rest: Any) -> int:
    """Make WHAT and print its store path. The link keeps it, and all that it needs, from gc."""
    from .target import UsageError
    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        target = workspace.target(what)
        output = workspace.derivation(target)
        if not no_link and (link.exists() or link.is_symlink()) and not link.is_symlink():
            raise UsageError("The link would replace something else", where=str(link), hint="name another with -o")
        (path,) = workspace.realise([output])
        disk = workspace.store.disk(path)
        if not no_link:
            from fpack.store.gc import add_root

            add_root(workspace.store, link, disk)
        workspace.finish()
    if as_json:
        shared.print_json({"path": str(path), "disk": str(disk), "link": None if no_link else str(link.absolute())})
    else:
        print(path)
    return 0
