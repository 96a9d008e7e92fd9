"""`fpack mirror trust`: confirm the mirrors that a project names."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "trust",
    epilog="""\b
Examples:
  fpack mirror trust registry.example/team/kept
  fpack mirror trust                                show what is confirmed
  fpack mirror trust --remove registry.example/team/kept""",
)
@click.argument("addresses", nargs=-1, metavar="[MIRROR]...")
@click.option("--remove", is_flag=True, help="Withdraw the confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(addresses: tuple[str, ...], remove: bool, as_json: bool) -> int:
    """Let builds use mirrors that a project's `mirrors` names. Without MIRROR, list the confirmed mirrors.

    A mirror sees which files you fetch, and gets your login for its registry. What it sends is compared with the lock.
    """
    from fpack.builders.mirrors.addresses import normal_address
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.caches.confirmed_addresses import MIRRORS
    from fpack.store.errors import printable

    if remove and not addresses:
        raise UsageError("--remove needs a mirror")
    if addresses:
        MIRRORS.confirm([normal_address(address) for address in addresses], not remove)
    known = MIRRORS.known()
    if as_json:
        shared.print_json({"mirrors": known})
    else:
        for address in known:
            print(printable(address))
    return 0
