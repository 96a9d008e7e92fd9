"""Print the value of a target or of an expression, for `fpack eval`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fpack.cli import shared_options as shared
from fpack.cli.errors import UsageError
from fpack.cli.workspace.target import find_project
from fpack.cli.workspace.workspace import Workspace
from fpack.light_typing import Any
from fpack.store.errors import printable


def run(arguments: Sequence[str], expression: str | None, as_json: bool, **rest: Any) -> int | None:
    """Print the value of the one argument, if any, or of an expression. Return the exit status; None: too many."""
    if len(arguments) > 1:
        return None
    what = arguments[0] if arguments else None
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
