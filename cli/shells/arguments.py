"""Read the command lines of `fpack shell` and `fpack run`: for warm starts without click, else from click's values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from fpack.cli.option_table import RUN, SHELL, split
from fpack.cli.option_table import parse as parse_options
from fpack.light_typing import Any, NamedTuple

from .model import ShellOptions

_COMMON = {
    "pure", "container", "network", "expose", "share", "keep", "user", "interpreter", "no_services", "building",
    "print_env", "lock", "arch",
}  # fmt: skip


class ShellRequest(NamedTuple):
    """A request for a shell.

    what: its file and attribute, or packages. lock, arch: inputs of the evaluation. building: the package whose build
    environment is requested. The first word of the command is empty if it stands for the package's own program.
    """

    verb: str
    what: tuple[str, ...] = ()
    options: ShellOptions = ShellOptions()
    building: str = ""
    lock: str = ""
    arch: str = ""
    services: bool = True
    print_env: str = ""


def parse(argv: Sequence[str]) -> ShellRequest | None:
    """Parse a whole command line. Return None if it is not valid or has uncommon options."""
    verb, *rest = argv
    words, command = split(rest)
    is_run = verb == "run"
    parsed = parse_options(words, RUN if is_run else SHELL, interspersed=not is_run)
    if parsed is None or not parsed[0].keys() <= _COMMON:
        return None
    values, what = parsed
    if is_run:
        if not what or (command is not None and len(what) > 1):
            return None
        what, command = what[:1], ("", *what[1:]) if command is None else command
    request = request_of(verb, tuple(what), command, values)
    return None if problem_of(request, command) else request


def request_of(
    verb: str, what: tuple[str, ...], command: tuple[str, ...] | None, values: Mapping[str, Any]
) -> ShellRequest:
    """Return the request of a command line. values: by field; an option that is not given may be missing."""
    return ShellRequest(
        verb,
        what,
        ShellOptions(
            pure=bool(values.get("pure") or values.get("building")),
            container=bool(values.get("container")),
            network=values.get("network") != "off",
            expose=tuple(os.path.abspath(path) for path in values.get("expose") or ()),
            share=tuple(os.path.abspath(path) for path in values.get("share") or ()),
            keep=tuple(values.get("keep") or ()),
            user=values.get("user") or "",
            interpreter=values.get("interpreter") or "",
            command=command or (),
        ),
        building=values.get("building") or "",
        lock=str(values.get("lock") or ""),
        arch=values.get("arch") or "",
        services=not values.get("no_services"),
        print_env=values.get("print_env") or "",
    )


def problem_of(request: ShellRequest, command: tuple[str, ...] | None) -> tuple[str, str] | None:
    """Return what is wrong with a request, and a hint, or None."""
    from fpack.cli.shells.sandbox.plan import hides_root

    options = request.options
    if request.building and request.what:
        return "--for takes no other packages", "leave the other packages out"
    if command == ():
        return "There is no command after --", "leave out -- for an interactive shell"
    if options.user and not _is_user(options.user):
        return f"{options.user!r} is not a user", "write a name, or NAME:UID"
    for path in (*options.expose, *options.share):
        if hides_root(path):
            return f"{path} of this machine would hide the shell's {path}", "name a file or directory inside it"
    return None


def _is_user(text: str) -> bool:
    """Return whether a text is NAME or NAME:UID."""
    name, colon, uid = text.partition(":")
    good = name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name[:1].isalpha()
    return good and (not colon or (uid.isascii() and uid.isdigit() and int(uid) < 0xFFFFFFFE))
