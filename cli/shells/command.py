"""Run `fpack shell` and `fpack run` after their options were parsed and no warm start was possible."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.ui.render import short

from . import devcontainer, warm_start
from .activation import trust
from .arguments import problem_of, request_of
from .realise import prepare


def enter(verb: str, what: tuple[str, ...], command: tuple[str, ...] | None, values: dict[str, Any]) -> int:
    """Build a shell and enter it, print its environment, or write its devcontainer.json. Return the exit status."""
    request = request_of(verb, what, command, values)
    if problem := problem_of(request, command):
        raise UsageError(problem[0], hint=problem[1])
    options = shared.options(values)
    prepared = prepare(request, options)
    if request.print_env:
        return warm_start.print_env(prepared.shell, request.print_env)
    if values.get("devcontainer"):
        if not prepared.named:
            raise UsageError(
                "--devcontainer needs a shell { } of a file",
                why="editors pack it with fpack whenever they open the project",
                hint="write shell = shell { packages = [...] } into fpack.fp",
            )
        directory = prepared.shell.project or os.getcwd()
        path = devcontainer.write(Path(directory), prepared.shell.closure.name, what[0] if what else "shell")
        warm_start.note(f"wrote {short(path)}: editors open the project in an image of the shell")
        return 0
    if prepared.shell.project and verb == "shell":
        trust.trust(prepared.shell.project)
    shell_options = warm_start.chosen(request, prepared.shell)
    return warm_start.enter_with(prepared.shell, shell_options, request.services, warm_start.note, prepared.lease)
