"""`fpack cache trust`: confirm the caches that a project names."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "trust",
    epilog="""\b
Examples:
  fpack cache trust https://cache.example/app
  fpack cache trust                                show what is confirmed
  fpack cache trust --remove https://cache.example/app""",
)
@click.argument("addresses", nargs=-1, metavar="[URL]...")
@click.option("--remove", is_flag=True, help="Withdraw the confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(addresses: tuple[str, ...], remove: bool, as_json: bool) -> int:
    """Let builds use caches that a project's `caches` names. Without URL, list the confirmed caches.

    A cache sees which paths you fetch. Only the setting cache.keys decides whose signatures are accepted.
    """
    from fpack.builders.distribution.addresses import open_repository
    from fpack.cli.errors import UsageError
    from fpack.cli.workspace.caches.confirmed_addresses import CACHES
    from fpack.store.errors import printable

    if remove and not addresses:
        raise UsageError("--remove needs a URL")
    for address in addresses:
        open_repository(address, plain_http=True)  # an address that is not valid is an error
    if addresses:
        CACHES.confirm(addresses, not remove)
    known = CACHES.known()
    if as_json:
        shared.print_json({"caches": known})
    else:
        for address in known:
            print(printable(address))
    return 0
