"""`fpack untrust`: forbid the hook to enter a directory's shell."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "untrust",
    epilog="""\b
Examples:
  fpack untrust                the project here
  fpack untrust ../app         another project, even if it no longer exists""",
)
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(folder: Path | None, as_json: bool) -> int:
    """Forbid the hook to enter the shell of DIR, by default of the project here.

    A shell that is in the directory now keeps its programs until it leaves. fpack shell trusts the directory again.
    """
    from fpack.cli.options import print_json
    from fpack.cli.shells.activation import trust
    from fpack.store.errors import printable

    from .trust import directory

    path = directory(folder)
    was = trust.forget(path)
    if as_json:
        print_json({"directory": path, "trusted": False, "was": was})
    else:
        print(f"{printable(path)} {'is no longer trusted' if was else 'was not trusted'}")
    return 0
