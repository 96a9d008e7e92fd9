"""`fpack lsp`: a language server, for editors to start."""

from __future__ import annotations

import click


@click.command(
    "lsp",
    epilog="""\b
An editor starts it for files that end in .fp, and talks to it over standard input and output. It needs the
extra packages of `fpack[lsp]`. docs/editors/ has what VS Code, Neovim, Emacs and Helix want to be told.

\b
Example:
  fpack lsp                  the command that an editor's settings name""",
)
def command() -> int:
    """Serve editors: errors while typing, what names mean, completion, formatting."""
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
    from .lsp_server import serve

    serve()
    return 0
