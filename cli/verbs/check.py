"""`fpack check`: find errors in files of the language without evaluating them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from fpack.cli import options

if TYPE_CHECKING:
    from fpack.lang.diagnostics.checker import Diagnostic


@click.command(
    "check",
    epilog="""\b
Examples:
  fpack check                           all .fp files below this directory
  fpack check fpack.fp lib/
  fpack check --json""",
)
@click.argument("files", nargs=-1, metavar="[FILES|DIRS]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as a JSON list.")
@options.evaluating
def command(files: tuple[Path, ...], as_json: bool, eval_memory: str | None, eval_time: str | None) -> int:
    """Find undefined and unused names, wrong fields and arguments, and unreachable branches.

    Nothing is evaluated, fetched or built. The exit status is 1 if there are errors; warnings alone give 0.
    """
    from fpack.cli.workspace.lint_library import FileChecker, library
    from fpack.cli.workspace.source_files import find
    from fpack.lang.runtime.limits import Limits

    checker = FileChecker(library(), Limits.configured(eval_memory, eval_time))
    found = [finding for path in find(files or (Path(),)) for finding in checker.check(path)]
    errors = sum(finding.is_error for finding in found)
    if as_json:
        options.print_json([finding.as_json() for finding in found])
    else:
        _show(found, errors)
    return int(errors > 0)


def _show(found: list[Diagnostic], errors: int) -> None:
    from fpack.cli.ui.render import colored, counted, note, paint
    from fpack.lang.errors import render

    color = colored(sys.stderr)
    for finding in found:
        text = render(finding.error, color)
        if not finding.is_error:
            head = "\x1b[1;31merror: \x1b[0m" if color else "error: "
            text = f"{paint('warning:', 'yellow', color)} {text.removeprefix(head)}"
        print(text, file=sys.stderr)
    if found:
        warnings = len(found) - errors
        note(", ".join(counted(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n))
