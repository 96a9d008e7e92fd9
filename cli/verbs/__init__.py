"""The verbs of the command line. Each is a module whose click command is named `command`."""

from __future__ import annotations

from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

# Verb: its line of help.
VERBS = {
    "pack": "Pack a package or a project into a container image.",
    "push": "Push an image to a registry.",
    "pull": "Fetch an image of a registry into the store.",
    "patch": "Update packages of images in registries.",
    "build": "Build a derivation and link to the result.",
    "shell": "Enter a shell with exactly the named tools.",
    "run": "Run one program of a package.",
    "try": "Run an image without a container engine, and tell which files it lacks.",
    "debug": "Open a shell with tools in a running container or an image.",
    "hook": "Print a shell hook that enters the shell of the project whose directory you enter.",
    "trust": "Allow the hook to enter a directory's shell.",
    "untrust": "Forbid the hook to enter a directory's shell.",
    "init": "Write an fpack.fp for an existing project.",
    "fix": "Build, and add what a build lacks to fpack.fp until it succeeds.",
    "verify": "Check that an image holds what its manifest says, and what Debian ships.",
    "rebuilders": "Show which packages of an image independent rebuilders reproduced.",
    "eval": "Evaluate an expression, a file or an attribute.",
    "repl": "Evaluate expressions interactively.",
    "doc": "Show the documentation of a function, a library file or a curated package.",
    "check": "Find errors in .fp files without evaluating them.",
    "fmt": "Format .fp files.",
    "lsp": "Run a language server for editors.",
    "lock": "Lock the exact packages that a project uses.",
    "mirror": "Fill, list, check and clean mirrors, which keep what locks pin.",
    "bundle": "Write a lock and all that it pins to one file, for a machine without a network.",
    "update": "Update the lock to the archive's current packages.",
    "outdated": "List locked packages of which the archive has newer versions.",
    "diff": "Show what differs between two images or locks.",
    "where": "Find the image files that have a package or a file.",
    "why": "Show why a package is in an image.",
    "trace": "Follow a file of an image to its package, source and licence.",
    "size": "Show the sizes of an image's layers.",
    "graph": "Draw the packages of an image, and why each is needed.",
    "report": "Write all that is known of an image as an HTML page.",
    "closure": "List everything that a target needs at run time.",
    "vex": "State which known vulnerabilities affect an image.",
    "sbom": "Write the bill of materials of an image.",
    "audit": "List the known vulnerabilities of an image.",
    "provenance": "Write what an image was built from, as SLSA provenance.",
    "key": "Make and show the keys that sign images.",
    "sign": "Sign an image in a file or a registry.",
    "search": "Find packages by name and description.",
    "show": "Show details of a package or a container.",
    "log": "Show the log of a build.",
    "history": "Show what was built when, from what, and how long it took.",
    "config": "Show the settings and the source of each.",
    "doctor": "Check this machine, the mirrors and the store.",
    "completion": "Print a completion script for bash, zsh or fish.",
    "store": "List, check, repair and copy store paths.",
    "cache": "Share store paths through caches.",
    "challenge": "Compare the results of builds in caches and on this machine.",
    "gc": "Delete unused paths from the store.",
    "root": "List, add or remove the roots that keep store paths.",
}


def command_of(verb: str) -> click.Command:
    """Import a verb's module and return its command."""
    from importlib import import_module

    command: click.Command = import_module(f"fpack.cli.verbs.{verb}").command
    return command
