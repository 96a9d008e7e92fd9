"""`fpack shell`: enter a shell with the tools of a closure."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import SHELL, split


class _ShellCommand(shared.WithCommand):
    """A command in which `--print-env` has an optional value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Otherwise click would take the next word, the name of a package, for the format.
        before, command = split(args)
        before = ["--print-env=bash" if word == "--print-env" else word for word in before]
        return super().parse_args(ctx, [*before, *(() if command is None else ("--", *command))])


@click.command(
    "shell",
    cls=_ShellCommand,
    epilog="""\b
Examples:
  fpack shell                                      `shell` of ./fpack.fp
  fpack shell debian.trixie.build-essential        gcc with the C library, make and more
  fpack shell tools.fp#debugging -- gdb ./app      run one command
  fpack shell --pure -- make check                 without this shell's variables
  fpack shell --container --network off            with only the project's files of this machine
  fpack shell ./result app.dev                     store paths and outputs of builds
  fpack shell -e 'import("./fpack.fp").app.root'   the root in which app is built
  fpack shell --for redis                          build a package, phase by phase
  fpack shell registry.example/app:1.0             an image in a registry, as with --container""",
)
@click.argument("what", nargs=-1)
@shared.from_table(SHELL)
@click.pass_context
def command(ctx: click.Context, /, what: tuple[str, ...], expression: str | None, **rest: Any) -> int:
    """Enter a shell with WHAT: packages, a `shell { ... }`, or anything else that has programs. With --, run a command
    in it instead.

    The services of WHAT run beside the shell. If WHAT is a root or an image, its files are at / of the shell.
    """
    from fpack.cli.trial.registry_shell import enter

    what += () if expression is None else (f"({expression})",)
    return enter("shell", what, shared.command_of(ctx), rest)
