"""Plan how a container runs the server of a package: command line, user, variables, directories, ports.

The unit of the package says most of it; `known_servers.py` adds what units do not tell. Steps that must precede the
server run in a generated shell script, which becomes the first word of the entrypoint.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from . import known_servers, tmpfiles, unit_file
from .tmpfiles import DIRECTORY, SYMLINK, TmpfilesEntry
from .unit import Command, ServiceUnit, main_unit

SCRIPT = "usr/lib/fpack/start"
_SHELL = "/bin/sh"
# Programs that only make directories: their effect is computed, so that the server need not be root.
_MAKERS = {"mkdir", "chown", "chgrp", "chmod", "install"}
_MODE = re.compile(r"[0-7]{3,4}\Z")


class FirstStart(NamedTuple):
    """A step that runs if the path `creates` is absent when the container starts."""

    creates: str
    command: tuple[str, ...]


class ServicePlan(NamedTuple):
    """How a server runs. script: the text of SCRIPT, or "". ports: numbers, or text such as 53/udp.

    notes: lines for the build log.
    """

    entrypoint: tuple[str, ...]
    user: str = ""
    variables: Mapping[str, str] = {}
    workdir: str = ""
    ports: tuple[int | str, ...] = ()
    volumes: tuple[str, ...] = ()
    signal: str = ""
    directories: tuple[TmpfilesEntry, ...] = ()
    script: str = ""
    notes: tuple[str, ...] = ()


class ServedPackage(NamedTuple):
    """A package of the root. declarations: the texts of its units and tmpfiles.d files, by path."""

    name: str
    declarations: Mapping[str, str]


class RootFiles(NamedTuple):
    """The files of the root. exists(path): whether there is a file. read(path): its text, "" if there is none."""

    exists: Callable[[str], bool]
    read: Callable[[str], str]


def plan(package: ServedPackage, others: Sequence[ServedPackage], files: RootFiles) -> ServicePlan | None:
    """Return how the server of `package` runs; None if it has none. others: the packages that it depends on."""
    if package.name in known_servers.NONE:
        return None
    known = known_servers.COMMANDS.get(package.name)
    unit = main_unit(package.name, package.declarations, files.exists)
    provider = known_servers.PROVIDERS.get(package.name)
    for other in others if unit is None and known is None else ():
        if other.name == provider or (not package.declarations and provider is None):
            unit = unit or main_unit(other.name, other.declarations, files.exists)
            known = known or known_servers.COMMANDS.get(package.name if other.name == provider else other.name)
    if provider is not None and known is None:
        known = known_servers.COMMANDS["nginx"]
    if unit is None and (known is None or not files.exists(known[0])):
        return None
    return _plan(package.name, unit, known, files)


def _plan(package: str, unit: ServiceUnit | None, known: tuple[str, ...] | None, files: RootFiles) -> ServicePlan:
    variables: dict[str, str] = {}
    notes: list[str] = []
    if unit is not None:
        variables |= unit.variables
        for path, _ in unit.files:
            variables |= unit_file.environment_file(files.read(path))
    if known is not None and files.exists(known[0]):
        start = known
    else:
        assert unit is not None
        start = tuple(unit_file.expand_variables(list(unit.start.words), variables))
        start = _in_foreground(start, unit, notes)
    program = start[0].rpartition("/")[2]
    made = list(_directories(unit))
    before: list[Command] = []
    for command in unit.before if unit is not None else ():
        command = command._replace(words=tuple(unit_file.expand_variables(list(command.words), variables)))
        if command.words and command.words[0].rpartition("/")[2] in _MAKERS:
            made = _made(command.words, made)
        elif command.words and files.exists(command.words[0]) and not (command.privileged and unit and unit.user):
            before.append(command)
        elif not command.optional:
            notes.append(f"the unit's step {shlex.join(command.words)!r} is left out")
    user = unit.user if unit is not None else ""
    volumes = {f"/{entry.path}" for entry in unit.directories if entry.volume} if unit is not None else set()
    return ServicePlan(
        entrypoint=start,
        user=f"{user}:{unit.group}" if unit is not None and user and unit.group else user,
        variables=variables,
        workdir=unit.workdir if unit is not None else "",
        ports=known_servers.PORTS.get(program, ()),
        volumes=tuple(sorted(volumes | set(known_servers.VOLUMES.get(package, ())))),
        signal=(unit.signal if unit is not None else "") or known_servers.SIGNALS.get(package, ""),
        directories=tuple(made),
        script=script(before, ()) if before and files.exists(_SHELL) else "",
        notes=tuple(notes),
    )


def _in_foreground(start: tuple[str, ...], unit: ServiceUnit, notes: list[str]) -> tuple[str, ...]:
    """Return the command line of a server that stays in the foreground."""
    form = known_servers.FOREGROUND.get(start[0].rpartition("/")[2])
    if form is None:
        if unit.kind == "forking":
            notes.append(f"the unit {unit.name} expects {start[0]} to fork; the container ends if it does")
        return start
    kept = [word for word in start if word not in form.drop]
    return (*kept, *(word for word in form.add if word not in kept))


def _directories(unit: ServiceUnit | None) -> Iterator[TmpfilesEntry]:
    for entry in unit.directories if unit is not None else ():
        owned = not entry.path.startswith("etc/")
        user, group = (unit.user, unit.group) if unit is not None and owned else ("", "")
        yield TmpfilesEntry(DIRECTORY, entry.path, entry.mode, user, group or user)


def _made(words: Sequence[str], made: list[TmpfilesEntry]) -> list[TmpfilesEntry]:
    """Return the directories after a command such as `mkdir -m 740 -p DIR`, `chown USER DIR` or `install -d DIR`."""
    program, rest = words[0].rpartition("/")[2], list(words[1:])
    options = {"-m": "", "-o": "", "-g": ""}
    others: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in options and rest:
            options[word] = rest.pop(0)
        elif word.startswith("--mode="):
            options["-m"] = word.partition("=")[2]
        elif not word.startswith("-"):
            others.append(word)
    mode = int(options["-m"], 8) if _MODE.match(options["-m"]) else None
    user, group = options["-o"], options["-g"]
    if program in ("chown", "chgrp") and others:
        owner = others.pop(0)
        user, _, group = owner.partition(":") if program == "chown" else ("", "", owner)
    elif program == "chmod" and others:
        mode = int(others[0], 8) if _MODE.match(others[0]) else None
        del others[0]
    found = {entry.path: entry for entry in made}
    for path in others:
        clean = path.strip("/").replace("var/run/", "run/", 1) if path.startswith("/var/run/") else path.strip("/")
        if not path.startswith("/") or {"", ".", ".."} & set(clean.split("/")):
            continue
        old = found.get(clean, TmpfilesEntry(DIRECTORY, clean))
        if clean in found or program in ("mkdir", "install"):
            found[clean] = old._replace(
                mode=old.mode if mode is None else mode, user=user or old.user, group=group or user or old.group
            )
    return list(found.values())


def script(before: Sequence[Command], first: Sequence[FirstStart]) -> str:
    """Return a shell script that runs the steps and then its arguments."""
    lines = ["#!/bin/sh", "# Steps that precede the server. fpack wrote this file."]
    for step in first:
        # Debian's scripts then ask nothing.
        lines.append(
            f"[ -e {shlex.quote(step.creates)} ] || DEBIAN_FRONTEND=noninteractive {shlex.join(step.command)} || exit"
        )
    lines += [f"{shlex.join(command.words)} || {':' if command.optional else 'exit'}" for command in before]
    return "\n".join([*lines, 'exec "$@"', ""])


def temporary_files(packages: Sequence[ServedPackage]) -> Iterator[TmpfilesEntry]:
    """Yield what the tmpfiles.d files of all packages create, the first of each path."""
    seen: set[str] = set()
    for package in packages:
        for path, text in sorted(package.declarations.items()):
            if not path.endswith(".conf"):
                continue
            for entry in tmpfiles.parse(text):
                if entry.path not in seen and entry.kind in (DIRECTORY, SYMLINK):
                    seen.add(entry.path)
                    yield entry
