"""`fpack lock`: lock the exact packages that a project uses."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import table


@click.command(
    "lock",
    epilog="""\b
Examples:
  fpack lock                           lock all packages that ./fpack.fp uses
  fpack lock debian.trixie.jq          add a package
  fpack lock --frozen                  fail if a package is not locked yet""",
)
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.locking
def command(what: str | None, as_json: bool, **rest: Any) -> int:
    """Evaluate WHAT (by default everything in ./fpack.fp) and lock each package that it uses.

    Nothing is built.
    """
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import one_line

    with Workspace(shared.options(rest)) as workspace:
        if what is None:
            target = workspace.target(None)
            evaluator = workspace.evaluator
            assert target.file is not None
            value = evaluator.load(target.file)
        else:
            value = workspace.value(workspace.target(what))
        workspace.lock_everything(value)
        workspace.source.save()
        added = workspace.source.added
        place = str(workspace.lock_file)
        empty = not workspace.source.lock.packages
    if as_json:
        shared.print_json({"lock": place, "added": [each._asdict() for each in added]})
        return 0
    if added:
        print(table([list(each) for each in added]))
    if empty:
        print("No package is used, so there is nothing to lock.")
    else:
        name = one_line(place)
        print(f"{len(added)} packages added to {name}" if added else f"{name} already has every package that is used.")
    return 0
