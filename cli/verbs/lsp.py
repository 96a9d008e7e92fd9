"""`fpack lsp`: a language server, for editors to start."""

from __future__ import annotations

import os

import click
from fpack.cli import options
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME


@click.command(
    "lsp",
    epilog="""\b
An editor starts it for files that end in .fp, and talks to it over standard input and output. It needs the
extra packages of `fpack[lsp]`. docs/editors/ has what VS Code, Neovim, Emacs and Helix want to be told.

\b
Example:
  fpack lsp                  the command that an editor's settings name""",
)
@options.evaluating
def command(eval_memory: str | None, eval_time: str | None) -> int:
    """Serve editors: errors while typing, what names mean, completion, formatting."""
    # A file is evaluated by a process of its own, which has them from here.
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
            why="it needs the Python package pygls, which nothing else of fpack does",
            hint=f"{sys.executable} -m pip install 'fpack[lsp]', or in a checkout: -r requirements-lsp.txt",
        ) from None
    from fpack.cli.interactive.lsp_server import serve

    serve()
    return 0
