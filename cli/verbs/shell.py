"""`fpack shell`: the tools of a closure as a place to work."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.shells.arguments import FORMATS, split


class WithCommand(click.Command):
    """A command whose words after the first `--` are another program's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, ctx.meta["fpack.command"] = split(args)
        # click would take the next word, which is a package's name, for a format.
        return super().parse_args(ctx, ["--print-env=bash" if word == "--print-env" else word for word in before])


@click.command(
    "shell",
    cls=WithCommand,
    epilog="""\b
Examples:
  fpack shell                                      `shell` of ./fpack.fp
  fpack shell debian.trixie.build-essential        gcc with the C library, make and more
  fpack shell tools.fp#debugging -- gdb ./app      one command in another shell
  fpack shell --pure -- make check                 without the variables of this one
  fpack shell --container --network off            nothing of this machine but the project
  fpack shell --for redis                          the build of a package, phase by phase""",
)
@click.argument("what", nargs=-1)
@click.option("--pure", is_flag=True, help="Begin with a clean environment.")
@click.option("--container", is_flag=True, help="Show nothing of this machine but the project's directory.")
@click.option("--network", type=click.Choice(["on", "off"]), default="on", help="Without a network: off.")
@click.option("--expose", multiple=True, metavar="PATH", type=click.Path(exists=True), help="Show PATH, to be read.")
@click.option("--share", multiple=True, metavar="PATH", type=click.Path(exists=True), help="Show PATH, to be written.")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep a variable in a clean environment.")
@click.option("--user", metavar="NAME[:UID]", help="Be another user inside.")
@click.option("--interpreter", type=click.Choice(["bash", "zsh", "fish"]), help="What to type commands into.")
@click.option("--no-services", is_flag=True, help="Start no services.")
@click.option("--for", "building", metavar="PACKAGE", help="The build of a package, to run its phases one by one.")
@click.option(
    "--print-env",
    is_flag=False,
    flag_value="bash",
    type=click.Choice(FORMATS),
    help="Print commands that put the programs and variables into this shell.",
)
@click.option("--devcontainer", is_flag=True, help="Write a devcontainer.json that uses an image of the shell.")
@shared.building
@click.pass_context
def command(ctx: click.Context, /, what: tuple[str, ...], **rest: Any) -> int:
    """Enter a shell with WHAT: packages, or a shell { ... }; after --, run a command in it instead."""
    from fpack.cli.shells.command import enter

    return enter("shell", what, ctx.meta["fpack.command"], rest)
