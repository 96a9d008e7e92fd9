"""`fpack eval`: evaluate a target or an expression, without building it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared


@click.command(
    "eval",
    epilog="""\b
Examples:
  fpack eval fpack.fp#version           an attribute of a file
  fpack eval -e '1 + 2'                 an expression
  fpack eval debian.trixie.jq --json""",
)
@click.argument("what", required=False)
@click.option("-e", "--expression", help="Evaluate this text.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON. Derivations are marked as not built.")
@shared.locking
def command(what: str | None, expression: str | None, as_json: bool, **rest: Any) -> int:
    """Evaluate WHAT and print its value. Nothing is built.

    Inside a project, an expression sees the packages of the project's lock.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.errors import printable

    if (what is None) == (expression is None) and what is not None:
        raise UsageError("Give either WHAT or --expression, not both")
    with Workspace(shared.options(rest)) as workspace:
        if expression is not None:
            workspace.use_project(find_project(Path.cwd()))
            value = workspace.evaluator.expression(expression)
        else:
            value = workspace.value(workspace.target(what))
        plain = workspace.evaluator.to_json(value)
        workspace.finish()
    if as_json or not isinstance(plain, str):
        shared.print_json(plain)
    else:
        # A pipe gets the unchanged string.
        print(printable(plain) if sys.stdout.isatty() else plain)
    return 0
