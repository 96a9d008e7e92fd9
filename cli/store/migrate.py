"""`fpack store migrate`: upgrade the database to the format of this fpack."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Upgrade the store's database to the format of this fpack, in one transaction.

    Every command that uses the store does this. A format that is newer than this fpack is an error.
    """
    from fpack.cli.store.paths import opened
    from fpack.store.db.schema import FORMAT, format_of
    from fpack.store.root import default_root

    before = format_of(default_root() / "db" / "fpack.sqlite")
    with opened():
        pass
    after = format_of(default_root() / "db" / "fpack.sqlite")
    if as_json:
        shared.print_json({"before": before, "after": after, "newest": FORMAT})
    elif after != before:
        click.echo(f"The database was upgraded from format {before} to {after}")
    else:
        click.echo(f"The database has format {after}{'' if after == FORMAT else f'; the newest is {FORMAT}'}")
    return 0
