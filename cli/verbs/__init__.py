"""The verbs of the command line: one module each, whose click command is named `command`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

# verb: one line of help
VERBS = {
    "pack": "Make a container image of a package or a project.",
    "build": "Build something and link to the result.",
    "shell": "Enter a shell with exactly the tools that are named.",
    "run": "Run one program of a package.",
    "hook": "Print what enters a project's shell with its directory.",
    "trust": "Let the hook enter a directory's shell.",
    "untrust": "Have the hook enter a directory's shell no more.",
    "init": "Write an fpack.fp for the project that is here.",
    "verify": "Check that an image holds what its manifest says, and what Debian ships.",
    "eval": "Show what an expression, a file or an attribute evaluates to.",
    "repl": "Evaluate line by line.",
    "doc": "Explain a function of the language, a file of the library or a curated package.",
    "check": "Find what is wrong with files of the language, without evaluating them.",
    "fmt": "Format files of the language.",
    "lsp": "Serve editors: errors, documentation, completion, formatting.",
    "lock": "Write down exactly which packages a project uses.",
    "update": "Move the lock to what the archive has today.",
    "why": "Show why a package is in an image.",
    "size": "Show what an image's bytes are made of.",
    "closure": "List all that something needs at run time.",
    "search": "Find packages by name and description.",
    "show": "Show what a package or a container is.",
    "log": "Show the log of a build.",
    "config": "Show the settings, and where each is from.",
    "doctor": "Check that this machine can do what fpack does.",
    "completion": "Print a script for completion in bash, zsh or fish.",
    "gc": "Delete what nothing needs any more from the store.",
}


def command_of(verb: str) -> click.Command:
    """Import a verb's module and return its command."""
    from importlib import import_module

    command: click.Command = import_module(f"fpack.cli.verbs.{verb}").command
    return command
