"""`fpack cache pull`: fetch targets or store paths from the caches."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import CACHE_PULL


@click.command(
    "pull",
    epilog="""\b
Examples:
  fpack cache pull app
  fpack cache pull app -o app                      also link to it, which keeps it from gc
  fpack cache pull /fpack/store/...-app --from file:///srv/cache""",
)
@click.argument("targets", nargs=-1, metavar="[WHAT]...")
@shared.from_table(CACHE_PULL)
def command(targets: tuple[str, ...], **values: Any) -> int:
    """Fetch each WHAT, and all that it references, from the caches, and print the paths. Build nothing.

    A store path needs no signature: its content proves itself. For any other WHAT, trusted signers must say which path
    it is.
    """
    from .fetched_paths import run

    return run(targets, **values)
