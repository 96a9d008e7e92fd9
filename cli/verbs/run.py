"""`fpack run`: run one program of a package."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import RUN


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  fpack run debian.trixie.jq -- jq --version     the program jq of the package
  fpack run debian.trixie.jq .name data.json     the program with the package's name
  fpack run debian.sid.nix-bin -- nix --version  from another release than this machine's""",
)
@shared.from_table(RUN)
@click.argument("package")
@click.argument("words", metavar="[ARGUMENT]... | -- PROGRAM [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def command(package: str, words: tuple[str, ...], **rest: Any) -> int:
    """Run a program of PACKAGE with arguments, and exit with its status."""
    from fpack.cli.shells.command import enter

    return enter("run", (package,), words[1:] if words[:1] == ("--",) else ("", *words), rest)
