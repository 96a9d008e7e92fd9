"""`fpack lsp`: run a language server, for editors to start."""

from __future__ import annotations

import os

import click
from fpack.cli import options
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME


@click.command(
    "lsp",
    epilog="""\b
An editor starts the server for .fp files and talks to it over standard input and output. The server needs the
extra packages of `fpack[lsp]`. docs/editors/ has settings for VS Code, Neovim, Emacs and Helix.

\b
Example:
  fpack lsp                  the command in an editor's settings""",
)
@options.evaluating
def command(eval_memory: str | None, eval_time: str | None) -> int:
    """Run a language server: errors while typing, documentation, completion, formatting."""
    # A separate process evaluates files. It takes the limits from these variables.
    for setting, given in ((EVAL_MEMORY, eval_memory), (EVAL_TIME, eval_time)):
        if given is not None:
            os.environ[setting.variable] = given
    try:
        import pygls  # noqa: F401
    except ImportError:
        import sys

        from fpack.store.errors import FpackError

        raise FpackError(
            "The language server is not installed",
            why="it needs the Python package pygls",
            hint=f"{sys.executable} -m pip install 'fpack[lsp]', or in a checkout: -r requirements-lsp.txt",
        ) from None
    from fpack.cli.interactive.lsp_server import serve

    serve()
    return 0
