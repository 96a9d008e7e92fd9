"""Enter a cached shell without click, the language or the database.

`main` returns None if that is not possible; then the verb's own module does the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from fpack.cli.paths import make_private_directory
from fpack.cli.workspace.evaluation.log import question
from fpack.store.errors import FpackError

from . import cache
from .arguments import ShellRequest, parse
from .model import Closure, ShellOptions

_SHOWN = 12  # programs named in an error


def main(argv: Sequence[str]) -> int | None:
    """Run `fpack shell ...` or `fpack run ...` from the cache. Return the exit status, or None."""
    request = parse(argv)
    if request is None:
        return None
    try:
        from fpack.store import leases

        shell = cache.load(directory_of(request))
        if shell is None:
            return None
        lease = leases.take(shell.store, shell.lease)
        if lease is None or not all(map(_is_there, (shell.closure, *(service.closure for service in shell.services)))):
            return None
        if request.print_env:
            return print_env(shell, request.print_env)
        if shell.project and request.verb == "shell":
            from .activation import trust

            trust.trust(shell.project)
        options = chosen(request, shell)
        return enter_with(shell, options, request.services, note, lease)
    except FpackError as error:
        from fpack.cli.ui.render import show_error

        show_error(error)
        return error.exit_code


def enter_with(
    shell: cache.CachedShell, options: ShellOptions, services: bool, note: Callable[[str], None], lease: int
) -> int:
    """Enter a shell, with its services if wanted. Return the exit status. lease: descriptor that keeps the shell."""
    from . import session

    if shell.shared:
        for directory in shell.shared:
            make_private_directory(directory, "XDG_STATE_HOME", "what belongs to a project")
        options = options._replace(share=(*options.share, *shell.shared))
    if not shell.services or not services:
        return session.go(shell, options, note=note, lease=lease)
    from .services import services as programs  # imports pathlib, a tenth of a warm start

    return programs.enter_with(shell, options, note, lease)


def _is_there(closure: Closure) -> bool:
    """Return whether everything that a shell mounts is on the disk."""
    disks = [disk for _, disk in closure.paths]
    if closure.emulator is not None:
        disks.append(closure.emulator[1])
    return os.path.isdir(closure.view) and all(map(os.path.lexists, disks))


def directory_of(request: ShellRequest) -> str:
    """Return the cache directory of the shell that a request asks for."""
    # `run` uses another lock than `shell` for packages.
    name = question(f"{request.verb} {cache.FORMAT}", request.what, request.lock, request.arch, request.building)
    return f"{cache.directory()}/{name}"


def print_env(shell: cache.CachedShell, kind: str) -> int:
    """Print code that sets the shell's programs and variables in a shell of the host."""
    from .activation import shell_text, shims

    write(shell_text.exports(kind, *shims.activate(shell)))
    shims.tell_left_out(shell, note)
    return 0


def write(text: str) -> None:
    """Write text for a shell to standard output. Paths are written as their original bytes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def chosen(request: ShellRequest, shell: cache.CachedShell) -> ShellOptions:
    """Return the request's options, with the package's own program if `run` names none."""
    options = request.options
    if options.command[:1] == ("",):
        if not shell.program:
            from fpack.cli.errors import UsageError

            names = shell.programs
            some = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            raise UsageError(
                f"{request.what[0]} has no program with its own name",
                why=f"it has {some}" if names else "it has no programs",
                hint=f"fpack run {request.what[0]} -- {names[0] if names else 'PROGRAM'}",
            )
        return options._replace(command=(shell.program, *options.command[1:]))
    return options


def note(text: str) -> None:
    """Print a remark to stderr."""
    from fpack.cli.ui.render import note

    note(text)
