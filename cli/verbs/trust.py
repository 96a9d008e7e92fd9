"""`fpack trust`: allow the hook to enter a directory's shell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fpack.cli.errors import UsageError


@click.command(
    "trust",
    epilog="""\b
Examples:
  fpack trust                  the project here
  fpack trust ../app           another project
  fpack trust --list           list the trusted directories""",
)
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False))
@click.option("--list", "listing", is_flag=True, help="List the trusted directories; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(folder: Path | None, listing: bool, as_json: bool) -> int:
    """Allow the hook to enter the shell of DIR, by default of the project here.

    Trust covers later changes of the directory too: use fpack untrust before you check out a stranger's branch there.
    """
    from fpack.cli.errors import UsageError
    from fpack.cli.options import print_json
    from fpack.cli.shells.activation import trust
    from fpack.store.errors import printable

    if listing:
        if folder is not None:
            raise UsageError("--list takes no directory", hint="leave the directory out")
        found = list(trust.all_trusted())
        if as_json:
            print_json({"trusted": found})
        else:
            print("\n".join(map(printable, found)) or "No directory is trusted.")
        return 0
    path = directory(folder)
    refusal = trust.refusal(path)
    if refusal:
        raise _refused(path, refusal)
    trust.note(path)
    if as_json:
        print_json({"directory": path, "trusted": True})
    else:
        print(f"{printable(path)} is trusted: the hook enters its shell")
    return 0


def directory(folder: Path | None) -> str:
    """Return the real path of the named directory, or of the project here. Raise UsageError if there is no project."""
    from fpack.cli.errors import UsageError
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.workspace.target import find_project

    if folder is not None:
        return os.path.realpath(folder)
    project = find_project(Path.cwd())
    if project is None:
        raise UsageError(f"There is no {PROJECT_FILE} here", where=os.getcwd(), hint="name a directory")
    return os.path.realpath(project)


def _refused(path: str, refusal: str) -> UsageError:
    from fpack.cli.errors import UsageError

    return UsageError(
        "This directory cannot be trusted",
        where=path,
        why=refusal,
        hint="only you, or root, may own a project that changes what your programs are",
    )
