"""`fpack cache forget`: forget what this machine remembers of a cache."""

from __future__ import annotations

import click
from fpack.cli import options as shared


@click.command(
    "forget",
    epilog="""\b
Example:
  fpack cache forget file:///srv/cache       after someone has emptied it on purpose""",
)
@click.argument("addresses", nargs=-1, required=True, metavar="URL...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.plain_http
def command(addresses: tuple[str, ...], as_json: bool) -> int:
    """Forget the last known state of a cache, and that it did not answer.

    A cache that shows an older state than before is refused, because someone may hide newer statements. If it was
    emptied or restored on purpose, this accepts its present state.
    """
    from fpack.builders.caches.seen import CacheMemory
    from fpack.cli.workspace.caches.opener import memory_directory
    from fpack.store.errors import printable

    forgotten = [address for address in addresses if CacheMemory(memory_directory(), address).forget()]
    if as_json:
        shared.print_json({"forgotten": forgotten})
    else:
        for address in addresses:
            print(f"{printable(address)}: {'forgotten' if address in forgotten else 'nothing was remembered'}")
    return 0
