"""`fpack store referrers`: list the paths that reference a path."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "referrers",
    epilog="""\b
Examples:
  fpack store referrers /fpack/store/...-libssl3t64-slice
  fpack store referrers ./result --all --json""",
)
@click.argument("store_path", metavar="PATH")
@click.option("--all", "transitive", is_flag=True, help="Also list the paths that reference these, and so on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(store_path: str, transitive: bool, as_json: bool) -> int:
    """List the paths that reference PATH."""
    from fpack.cli.store.paths import find_path, opened
    from fpack.store.queries.description import Describer

    with opened() as store:
        info = find_path(store, store_path)
        found = Describer(store).referrers(info.path, transitive)
    if as_json:
        shared.print_json({"path": str(info.path), "referrers": [str(path) for path in found]})
    else:
        for path in found:
            click.echo(str(path))
    return 0
