"""Choose what an image runs: its container's program, the service of its root, or the program of its package."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from fpack.builders.protocol import BuildError, Task
from fpack.store.canonical import Value

from . import config as configuration
from .entrypoint import check_program, find_entrypoint
from .image_contents import ImageContents
from .image_fs import ImageFs, is_executable
from .interpreters import absent_interpreter

_SHELLS = ("/usr/bin/bash", "/usr/bin/sh")


def choose(
    task: Task, program: Value, given: Mapping[str, Value], contents: ImageContents
) -> tuple[dict[str, Value], list[str] | None, list[str], list[str]]:
    """Return (configuration, entrypoint, words before it, notes for the user).

    program: see `ImageArgs`. given: the container's configuration, which the result completes by the server's unit, or
    by a shell as the command of an image without a program.
    """
    given = dict(given)
    entrypoint = configuration.strings(given, "entrypoint")
    command = configuration.strings(given, "command")
    service = contents.extra.get("service") or {}
    if (entrypoint or (command and not program)) and not service.get("entrypoint"):
        return given, entrypoint, list(service.get("prefix", ())), []
    if entrypoint is not None or not program or (contents.base is not None and command):
        return given, entrypoint, [], []
    entrypoint, why = _suggested(task, program, contents)
    if service.get("entrypoint"):
        return _served(given, service), list(service["entrypoint"]), [], list(service.get("notes", ()))
    if entrypoint is not None:
        return given, [*service.get("prefix", ()), *entrypoint], [], []
    if command is not None:
        return given, None, [], []
    # An image without a program is still useful: a derived image or a command names one.
    shell = next((shell for shell in _SHELLS if is_executable(contents.view.resolve(shell))), None)
    given["command"] = [shell] if shell else None
    return given, None, [], [f"no entrypoint, because {why}" + (f"; the command is {shell}" if shell else "")]


def check(
    task: Task, entrypoint: Sequence[str] | None, command: Sequence[str] | None, path: str, view: ImageFs
) -> None:
    """Raise BuildError if the image does not have the program that it runs. path: its PATH."""
    run = entrypoint or command
    if not run:
        return
    try:
        check_program(run[0], path, view, lambda store_path: _programs(task, store_path, view))
    except BuildError as error:
        if entrypoint:
            raise error.with_(field="entrypoint") from None
        hint = f"without `entrypoint`, the first item of `command` is the program; {error.hint}"
        raise error.with_(hint=hint, field="command") from None


def find_file(run: Sequence[str] | None, variables: Mapping[str, str], view: ImageFs) -> list[str]:
    """Return the path of the image's program, if it has one."""
    if not run or "/" in run[0]:
        return [run[0]] if run else []
    paths = [f"{directory}/{run[0]}" for directory in variables["PATH"].split(":")]
    return [path for path in paths if is_executable(view.resolve(path))][:1]


def _served(given: Mapping[str, Value], service: Mapping[str, Value]) -> dict[str, Value]:
    """Complete a configuration by that of the server's unit. The container's settings take precedence."""
    return {
        **given,
        "user": given.get("user") or service["user"] or None,
        "env": {**service["env"], **(given.get("env") or {})},
        "workdir": given.get("workdir") or service["workdir"] or None,
        "ports": given.get("ports") or service["ports"],
        "volumes": given.get("volumes") or service["volumes"],
        "stop_signal": given.get("stop_signal") or service["signal"] or None,
    }


def _suggested(task: Task, program: Value, contents: ImageContents) -> tuple[list[str] | None, str]:
    """Return the default entrypoint, and why there is none.

    For a package, return the program that it suggests. For a store path built from source, return the program with its
    name, or its only program, or None.
    """
    if not isinstance(program, list):
        view = contents.view
        found_program, why = find_entrypoint(
            str(program),
            contents.extra,
            view,
            lambda name: not absent_interpreter(task, view, name, configuration.PATH),
        )
        return [found_program] if found_program else None, why
    path, name = map(str, program)
    if is_executable(contents.view.resolve(path)):
        return [path], ""
    found = _programs(task, path, contents.view)
    named = [other for other in found if other.endswith(f"/{name}")]
    has = ", ".join(other.removeprefix(f"{path}/") for other in found) or "no program in bin or sbin"
    return named[:1] or (found if len(found) == 1 else None), f"{name} has {has}"


def _programs(task: Task, path: str, view: ImageFs) -> list[str]:
    found = []
    for directory in ("bin", "sbin"):
        disk_path = task.disk(path) / directory
        for name in sorted(os.listdir(disk_path)) if disk_path.is_dir() else ():
            if is_executable(view.resolve(f"{path}/{directory}/{name}")):
                found.append(f"{path}/{directory}/{name}")
    return found
