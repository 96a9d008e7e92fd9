"""Run `fpack shell` and `fpack run` from their parsed options on: build, start the services, enter, stop the
services.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.shells.sandbox.plan import hides_root
from fpack.cli.ui.render import short

from . import devcontainer, session, warm_start
from .activation import trust
from .arguments import ShellRequest, is_user
from .model import ShellOptions
from .realise import prepare


def enter(verb: str, what: tuple[str, ...], command: tuple[str, ...] | None, values: dict[str, Any]) -> int:
    """Do what the command line requests. Return the exit status of the command."""
    options = shared.options(values)
    if values.get("building") and what:
        raise UsageError("--for takes no other packages", hint="leave the other packages out")
    request = ShellRequest(
        verb,
        what,
        _shell_options(command, values),
        building=values.get("building") or "",
        lock=str(options.lock or ""),
        arch=options.arch or "",
        services=not values.get("no_services"),
        print_env=values.get("print_env") or "",
    )
    prepared = prepare(request, options)
    if request.print_env:
        return warm_start.print_env(prepared.entry, request.print_env)
    if values.get("devcontainer"):
        if not prepared.named:
            raise UsageError(
                "--devcontainer needs a shell { } of a file",
                why="editors pack it with fpack whenever they open the project",
                hint="write shell = shell { packages = [...] } into fpack.fp",
            )
        folder = prepared.entry.project or os.getcwd()
        place = devcontainer.write(Path(folder), prepared.entry.closure.name, what[0] if what else "shell")
        warm_start.note(f"wrote {short(place)}: editors open the project in an image of the shell")
        return 0
    if prepared.entry.project and verb == "shell":
        trust.trust(prepared.entry.project)
    shell_options = warm_start.chosen(request, prepared.entry)
    return session.enter_with(prepared.entry, shell_options, request.services, warm_start.note, prepared.lease)


def _shell_options(command: tuple[str, ...] | None, values: dict[str, Any]) -> ShellOptions:
    if command == ():
        raise UsageError("There is no command after --", hint="leave out -- for an interactive shell")
    user = values.get("user") or ""
    if user and not is_user(user):
        raise UsageError(f"{user!r} is not a user", hint="write a name, or NAME:UID")
    for place in (*(values.get("expose") or ()), *(values.get("share") or ())):
        if hides_root(os.path.abspath(place)):
            raise UsageError(
                f"{place} of this machine would hide the shell's {place}", hint="name a file or directory inside it"
            )
    return ShellOptions(
        pure=bool(values.get("pure") or values.get("building")),
        container=bool(values.get("container")),
        network=values.get("network") != "off",
        expose=tuple(os.path.abspath(each) for each in values.get("expose") or ()),
        share=tuple(os.path.abspath(each) for each in values.get("share") or ()),
        keep=tuple(values.get("keep") or ()),
        user=user,
        interpreter=values.get("interpreter") or "",
        command=command or (),
    )
