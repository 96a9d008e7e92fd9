"""Run `fpack debug` after its options were parsed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.ui.render import note
from fpack.cli.workspace.target import find_image
from fpack.store.errors import FpackError

from . import engines, tools
from .engines import RunningContainer
from .session_environment import SHELL, variables

if TYPE_CHECKING:
    from .process import ContainerProcess

_USER = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?\Z")
_MAX_ID = 0xFFFFFFFE


class Request(NamedTuple):
    """The options of a session. what: the name of a container, or an image. command: empty for a shell.

    user: root, or UID[:GID]; None for the container's own. engine: the only one to ask. image: `what` is an image.
    """

    what: str | None
    command: Sequence[str]
    tools: Sequence[str] = ()
    user: str | None = None
    engine: str | None = None
    privileged: bool = False
    image: bool = False


def debug(request: Request, options: SharedOptions) -> int:
    """Run a command or a shell in a container or on the files of an image. Return its exit status."""
    user = _user(request.user)
    container = _container(request)
    if container is not None:
        return _in_container(request, options, container, user)
    if request.engine or request.privileged:
        name = "--engine" if request.engine else "--privileged"
        raise UsageError(f"{name} is for containers", why=f"{request.what or 'the project'} is an image")
    from . import image

    try:
        return image.debug(request.what, request.command, request.tools, user, options)
    except UsageError as error:
        if request.image or not _may_be_container(request.what):
            raise
        raise engines.unknown(str(request.what), None, f"it is no image either: {error.what}") from None


def _may_be_container(what: str | None) -> bool:
    return what is not None and "#" not in what and not what.startswith("debian.")


def _container(request: Request) -> RunningContainer | None:
    """Return the container that a request is about, or None if it is about an image."""
    what = request.what
    if request.engine is not None:
        found = engines.find_container(what or "", request.engine)
        if found is None:
            raise engines.unknown(what or "", request.engine)
        return found
    if what is None or request.image or not _may_be_container(what) or find_image(what, Path.cwd()) is not None:
        return None
    return engines.find_container(what)


def _in_container(
    request: Request, options: SharedOptions, container: RunningContainer, user: tuple[int, int] | None
) -> int:
    from . import entrant, filters, session, tools_mount
    from .process import ContainerProcess

    # Before the tools are fetched, which may take a while.
    process = ContainerProcess(container)
    credentials = process.credentials
    uid, gid, groups = _identity(process, user)
    with tools.held(options, request.tools) as disk:
        code = b""
        if credentials.filtered and not request.privileged:
            try:
                code = filters.of_container(process.specification)
            except filters.NoFilter as error:
                from fpack.builders.sandbox.seccomp import build_filter

                note(f"The container's system call filter is not known ({error}): the session has the filter of builds")
                code = build_filter(set_id=True)
        is_terminal = os.isatty(0) and os.isatty(1)
        try:
            mount = tools_mount.detached(os.fspath(disk), process)
        except OSError as error:
            if process.has_ended():
                raise process.gone("it ended before fpack entered it") from None
            raise FpackError("The tools cannot be mounted", where=str(disk), why=error.strerror or "") from None
        return session.run(
            entrant.DebugSession(
                process,
                list(request.command) or list(SHELL),
                variables(container.name, container.env, uid, os.environ if is_terminal else {}),
                f"/{container.directory.lstrip('/')}",
                uid,
                gid,
                groups,
                is_terminal,
                request.privileged,
                code,
            ),
            mount,
        )


def _identity(process: ContainerProcess, user: tuple[int, int] | None) -> tuple[int, int, Sequence[int]]:
    """Return the numbers of the user, the group and the other groups of a session."""
    from .process import has, ranges

    credentials = process.credentials
    if user is None:
        return credentials.uid, credentials.gid, credentials.groups
    for kind, rows, number in (("user", process.uid_map, user[0]), ("group", process.gid_map, user[1])):
        if not has(rows, number):
            known = ", ".join(f"{first}-{last}" for first, last in ranges(rows))
            raise UsageError(
                f"The container {process.container.name} has no {kind} {number}",
                why=f"its user namespace has the {kind}s {known}",
            )
    return (*user, credentials.groups if user[0] == credentials.uid else ())


def _user(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if text == "root":
        return 0, 0
    match = _USER.match(text)
    if match is None:
        raise UsageError(
            f"{text!r} is not a user",
            why="only root has a name here; other names would be read from the container",
            hint="write root, UID or UID:GID",
        )
    uid, gid = int(match[1]), int(match[2] or match[1])
    if max(uid, gid) > _MAX_ID:
        raise UsageError(f"{text!r} is not a user", why=f"numbers are at most {_MAX_ID}")
    return uid, gid
