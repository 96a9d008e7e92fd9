"""`fpack eval`: evaluate a target or an expression, without building it."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import EVAL


@click.command(
    "eval",
    epilog="""\b
Examples:
  fpack eval fpack.fp#version           an attribute of a file
  fpack eval -e '1 + 2'                 an expression
  fpack eval debian.trixie.jq --json""",
)
@click.argument("what", required=False)
@shared.from_table(EVAL)
def command(what: str | None, **values: Any) -> int | None:
    """Evaluate WHAT and print its value. Nothing is built.

    Inside a project, an expression sees the packages of the project's lock.
    """
    from fpack.cli.workspace.evaluation.command import run

    return run(() if what is None else (what,), **values)
