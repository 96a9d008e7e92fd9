"""`fpack shell`: enter a shell with the tools of a closure."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.shells.arguments import FORMATS, split


class WithCommand(click.Command):
    """A command whose words after the first `--` belong to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, ctx.meta["fpack.command"] = split(args)
        # Otherwise click would take the next word, the name of a package, for the format.
        return super().parse_args(ctx, ["--print-env=bash" if word == "--print-env" else word for word in before])


@click.command(
    "shell",
    cls=WithCommand,
    epilog="""\b
Examples:
  fpack shell                                      `shell` of ./fpack.fp
  fpack shell debian.trixie.build-essential        gcc with the C library, make and more
  fpack shell tools.fp#debugging -- gdb ./app      run one command
  fpack shell --pure -- make check                 without this shell's variables
  fpack shell --container --network off            only the project of this machine
  fpack shell --for redis                          build a package, phase by phase""",
)
@click.argument("what", nargs=-1)
@click.option("--pure", is_flag=True, help="Start with a clean environment.")
@click.option("--container", is_flag=True, help="Hide this machine's files, except the project.")
@click.option("--network", type=click.Choice(["on", "off"]), default="on", help="Allow network access, or turn it off.")
@click.option("--expose", multiple=True, metavar="PATH", type=click.Path(exists=True), help="Make PATH readable.")
@click.option("--share", multiple=True, metavar="PATH", type=click.Path(exists=True), help="Make PATH writable.")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep a variable with --pure or --container.")
@click.option("--user", metavar="NAME[:UID]", help="Run as another user inside.")
@click.option("--interpreter", type=click.Choice(["bash", "zsh", "fish"]), help="The interactive shell to run.")
@click.option("--no-services", is_flag=True, help="Start no services.")
@click.option("--for", "building", metavar="PACKAGE", help="Enter a package's build, to run its phases one by one.")
@click.option(
    "--print-env",
    is_flag=False,
    flag_value="bash",
    type=click.Choice(FORMATS),
    help="Print commands that set the programs and variables in the current shell.",
)
@click.option("--devcontainer", is_flag=True, help="Write a devcontainer.json that uses an image of the shell.")
@shared.building
@click.pass_context
def command(ctx: click.Context, /, what: tuple[str, ...], **rest: Any) -> int:
    """Enter a shell with WHAT: packages, or a shell { ... }. With --, run a command in it instead."""
    from fpack.cli.shells.command import enter

    return enter("shell", what, ctx.meta["fpack.command"], rest)
