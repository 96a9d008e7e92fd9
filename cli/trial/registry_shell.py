"""Run `fpack run` and `fpack shell`: an image of a registry is pulled, and entered; all else is a shell."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.shells import emulator, warm_start
from fpack.cli.shells.arguments import ShellRequest, problem_of, request_of
from fpack.cli.shells.cache import CachedShell
from fpack.cli.shells.model import Closure, ShellOptions
from fpack.store import leases
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.intake.repository_archive import RemoteImage

_SHELLS = ("/usr/bin/sh", "/bin/sh")


def enter(verb: str, what: tuple[str, ...], command: tuple[str, ...] | None, values: dict[str, Any]) -> int:
    """Enter what the arguments name. Return the exit status."""
    shared.use_plain_http(bool(values.pop("plain_http", False)))
    if (remote := _remote(what)) is None:
        from fpack.cli.shells.command import enter

        return enter(verb, what, command, values)
    if values.get("devcontainer"):
        raise UsageError("--devcontainer needs a shell { } of a file", why=f"{remote} is an image")
    request = request_of(verb, what, command, values)
    if problem := problem_of(request, command):
        raise UsageError(problem[0], hint=problem[1])
    return _enter(request, shared.options(values), remote)


def _remote(what: tuple[str, ...]) -> RemoteImage | None:
    """Return the image in a registry that one of the arguments names. Raise UsageError if there are others."""
    from fpack.cli.workspace.target import find_image

    found = [find_image(text, Path.cwd()) for text in what if "/" in text]
    remote = next((image for image in found if image is not None and not isinstance(image, Path)), None)
    if remote is not None and len(what) > 1:
        raise UsageError(f"{remote} cannot be joined with other packages", why="an image has a root of its own")
    return cast("RemoteImage | None", remote)


def _enter(request: ShellRequest, options: SharedOptions, remote: RemoteImage) -> int:
    """Run what a request asks for in an image of a registry. Return the exit status.

    The files of this machine are hidden, except the working directory: nobody has vouched for the image.
    """
    from fpack.builders.intake import image_view
    from fpack.builders.oci import spec
    from fpack.builders.sandbox.links import split_links
    from fpack.cli.images.pull.pull import pull
    from fpack.cli.ui.progress_line import ProgressLine
    from fpack.cli.workspace.workspace import Workspace

    if request.building or request.print_env:
        name = "--for" if request.building else "--print-env"
        raise UsageError(f"{name} is for packages", why=f"{remote} is an image")
    line = ProgressLine("fetching")
    with Workspace(options) as workspace:
        try:
            platform = spec.platform_name(options.arch) if options.arch else None
            pulled = pull(workspace, remote, platform, line, say=warm_start.note)
        finally:
            line.end()
        store = workspace.store
        found = image_view.assemble(store, pulled.path)
        emulated = emulator.built(workspace, str(found.record.fields["arch"]), str(remote))
        mounted, links = split_links((str(path), os.fspath(store.disk(path))) for path in found.built)
        config = json.loads(found.record.config).get("config") or {}
        needed = [pulled.path, *found.built, *([emulated.package] if emulated is not None else [])]
        directory = warm_start.directory_of(request._replace(what=(f"image {pulled.path.base}",)))
        shell = CachedShell(
            closure=Closure(
                name=remote.name,
                view=os.fspath(found.view),
                paths=tuple(mounted),
                links=tuple(links),
                env=_environment(config),
                emulator=emulated.rule if emulated is not None else None,
            ),
            project="",
            store=os.fspath(store.root),
            lease=os.path.basename(directory),
            directory=directory,
            paths=tuple(map(str, needed)),
        )
        lease = leases.begin(store, shell.lease, needed)
        if lease is None:
            raise FpackError("A part of the image was deleted meanwhile", hint="run the same command again")
        workspace.finish()
    wanted = _chosen(request, config, shell.closure.view, str(remote))
    return warm_start.enter_with(shell, wanted, False, warm_start.note, lease)


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (text.partition("=") for text in config.get("Env") or () if isinstance(text, str))
    found = {name: value for name, sign, value in pairs if sign and name}
    # The sandbox has a process 1 of its own. So an init of the image is not that, and is told that it need not be.
    return {"TINI_SUBREAPER": "1", **found}


def _chosen(request: ShellRequest, config: Mapping[str, Any], view: str, name: str) -> ShellOptions:
    """Return the options with the command: the image's own program if `run` names none, a shell for `shell`."""
    options = request.options._replace(container=True)
    if options.command[:1] == ("",):
        own = [*_words(config, "Entrypoint"), *(options.command[1:] or _words(config, "Cmd"))]
        if not own:
            raise UsageError(f"{name} has no program of its own", hint=f"fpack run {name} -- PROGRAM")
        return options._replace(command=tuple(own))
    if options.command or os.path.lexists(f"{view}/usr/bin/{options.interpreter or 'bash'}"):
        return options
    shell = next((shell for shell in _SHELLS if os.path.lexists(view + shell)), None)
    if shell is None or options.interpreter:
        raise UsageError(
            f"{name} has no {options.interpreter or 'shell'}", why="none of its packages has one",
            hint=f"fpack debug {name} enters it with a shell and tools beside its files",
        )  # fmt: skip
    return options._replace(command=(shell,))


def _words(config: Mapping[str, Any], field: str) -> Sequence[str]:
    found = config.get(field)
    return [str(word) for word in found] if isinstance(found, list) else []
