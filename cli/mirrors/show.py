"""`fpack mirror show`: print a kept lock."""

from __future__ import annotations

import sys

import click
from fpack.cli import options as shared


@click.command("show", epilog="Example: fpack mirror show ./mirror 3f2a > fpack.lock")
@click.argument("mirror")
@click.argument("lock", metavar="ID")
@shared.plain_http
def command(mirror: str, lock: str) -> int:
    """Print the fpack.lock that MIRROR keeps as ID: the beginning of a lock's name in fpack mirror list."""
    from fpack.builders.debian.lock.text import format_lock, parse_lock
    from fpack.builders.distribution.protocol import NotThere
    from fpack.builders.mirrors.kept_lock import read_config
    from fpack.builders.mirrors.pages import stored_lock

    from .keep import open_mirror
    from .listing import find_identity

    repository = open_mirror(mirror).repository
    stored = stored_lock(repository, find_identity(repository, lock))
    if stored is None:
        raise NotThere("The kept lock is gone", where=repository.name)
    # A text that is no lock is not written to a terminal.
    sys.stdout.write(format_lock(parse_lock(read_config(repository, stored).lock, repository.name)))
    return 0
