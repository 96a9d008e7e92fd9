"""`fpack completion`: print a script that completes fpack's commands in a shell."""

from __future__ import annotations

import sys

import click
from fpack.cli.completion.scripts import SCRIPTS


@click.command(
    "completion",
    epilog="""\b
Examples:
  source <(fpack completion bash)                                  in ~/.bashrc
  fpack completion zsh > "${fpath[1]}/_fpack"                      once
  source <(fpack completion zsh)                                   or in ~/.zshrc, after compinit
  fpack completion fish > ~/.config/fish/completions/fpack.fish    once""",
)
@click.argument("shell", type=click.Choice(sorted(SCRIPTS)))
def command(shell: str) -> int:
    """Print a script that makes SHELL complete verbs, options, attributes and package names."""
    sys.stdout.write(SCRIPTS[shell])
    return 0
