"""`fpack untrust`: have the hook enter a directory no more."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "untrust",
    epilog="""\b
Examples:
  fpack untrust                the project that is here
  fpack untrust ../app         another one, also one that is gone""",
)
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(folder: Path | None, as_json: bool) -> int:
    """Keep the hook from entering the shell of DIR, by default of the project that is here.

    A shell of yours that is in it now has its programs until it leaves it. fpack shell in it trusts it again.
    """
    from fpack.cli.options import print_json
    from fpack.cli.shells.activation import trust
    from fpack.store.errors import printable

    from .trust import directory

    place = directory(folder)
    was = trust.forget(place)
    if as_json:
        print_json({"directory": place, "trusted": False, "was": was})
    else:
        print(f"{printable(place)} {'is trusted no more' if was else 'was not trusted'}")
    return 0
