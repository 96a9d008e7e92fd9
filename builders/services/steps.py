"""Decide which commands of a unit precede or follow its server in a container, and say why others do not.

Commands that make directories are computed, so that the server need not be root. Commands that manage the system, or
need more rights than the server has, are left out with a note.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload.commands import SHELLS, script_commands

from . import unit_file
from .start_script import SHELL, has_variable
from .tmpfiles import DIRECTORY, TmpfilesEntry
from .unit import Command, ServiceUnit

PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
_MODE = re.compile(r"0?[0-7]{3,4}\Z")
# Programs that make directories, and programs that change those.
_MAKERS, _CHANGERS = {"mkdir", "install"}, {"chown", "chgrp", "chmod"}
# Programs whose work is done when the root is made.
_DONE = {"systemd-tmpfiles", "systemd-sysusers", "true"}
_MANAGERS = {
    *("systemctl", "systemd-run", "systemd-notify", "systemd-cat", "journalctl", "udevadm", "loginctl", "busctl"),
    *("deb-systemd-invoke", "deb-systemd-helper", "invoke-rc.d", "service", "modprobe", "insmod", "rmmod", "sysctl"),
    *("mount", "umount", "swapon", "swapoff"),
}
# Types of services that have started as soon as their program runs. Others tell systemd when they are ready.
_STARTED = ("simple", "exec", "idle")


class Steps(NamedTuple):
    """The commands that a unit runs around its server.

    made: the directories. notes: what is left out. lacks: the files that the root does not have.
    """

    conditions: tuple[Command, ...] = ()
    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    made: tuple[TmpfilesEntry, ...] = ()
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def find_steps(
    unit: ServiceUnit,
    variables: Mapping[str, str],
    exists: Callable[[str], bool],
    made: Sequence[TmpfilesEntry],
    forks: bool,
) -> Steps:
    """Return the steps of a unit. exists(path): whether the root has a file. made: the directories that the unit says.

    forks: the start script waits for a server that leaves the foreground.
    """
    found = _Finder(unit, variables, exists, list(made))
    conditions = [*filter(None, (found.step(command) for command in unit.conditions))]
    before = [*filter(None, (found.step(command) for command in unit.before))]
    after: list[Command] = []
    for command in unit.after:
        if forks or unit.kind in _STARTED:
            after += filter(None, [found.step(command, later=True)])
        elif not command.optional:
            found.leave(command, "it waits until the server says that it is ready, which a container does not learn")
    if (conditions or before or after) and not exists(SHELL):
        found.lacks.append(SHELL)
        for command in (*conditions, *before, *after):
            found.leave(command, "the image has no shell")
        conditions, before, after = [], [], []
    lacks = tuple(dict.fromkeys(found.lacks))
    return Steps(tuple(conditions), tuple(before), tuple(after), tuple(found.made), tuple(found.notes), lacks)


class _Finder:
    """Goes through the commands of a unit and collects directories, notes and files that are not there."""

    def __init__(
        self, unit: ServiceUnit, variables: Mapping[str, str], exists: Callable[[str], bool], made: list[TmpfilesEntry]
    ) -> None:
        self._unit = unit
        self._variables = variables
        self._exists = exists
        self.made = made
        self.notes: list[str] = []
        self.lacks: list[str] = []

    def leave(self, command: Command, why: str) -> None:
        """Note that a command is left out."""
        words = unit_file.expand_variables(list(command.words), self._variables)
        self.notes.append(f"the unit's step {shlex.join(words)!r} is left out: {why}")

    def step(self, command: Command, later: bool = False) -> Command | None:
        """Return the command as a step of the start script, or None. later: it follows the start of the server."""
        words = unit_file.expand_variables(list(command.words), self._variables)
        name = words[0].rpartition("/")[2] if words else ""
        if not name or name in _DONE:
            return None
        if command.host:
            self.leave(command, "only the running host knows one of its specifiers")
            return None
        if not later and name in _MAKERS | _CHANGERS and self._is_made(words):
            return None
        called = _called(words)
        if managers := sorted(_MANAGERS & {name, *called}):
            self.leave(command, f"{managers[0]} manages a system, which a container is not")
            return None
        if command.privileged and self._unit.user not in ("", "root"):
            self.leave(command, f"it runs as root, and the container as {self._unit.user}")
            return None
        if name in _CHANGERS and self._unit.user not in ("", "root") and not later:
            self.leave(command, f"{self._unit.user} may not do so")
            return None
        program = _located(words[0], self._exists)
        if not self._exists(program):
            self.lacks.append(program)
            if not command.optional:
                self.leave(command, f"the image has no {program}")
            return None
        self.lacks += lacking_programs(words, self._exists)
        return _opened(command._replace(words=(program, *command.words[1:])), self._variables)

    def _is_made(self, words: list[str]) -> bool:
        """Add the directories that a command makes. Return whether that is all that it does."""
        if words[0].rpartition("/")[2] == "install" and not {"-d", "--directory"} & set(words):
            return False
        changed = changed_directories(words, self.made)
        if changed is None:
            return False
        self.made = changed
        return True


def lacking_programs(words: Sequence[str], exists: Callable[[str], bool]) -> list[str]:
    """Return the paths of the programs that a command calls and that the root does not have."""
    found = [_located(name, exists) for name in (words[0], *_essential(words))]
    return [path for path in found if not exists(path)]


def _located(name: str, exists: Callable[[str], bool]) -> str:
    """Return the path of a program. One without a directory is searched for."""
    if "/" in name:
        return name
    return next((path for path in (f"{d}/{name}" for d in PATH) if exists(path)), f"/usr/bin/{name}")


def _called(words: Sequence[str]) -> set[str]:
    """Return the programs that the text of `sh -c` names where a command can stand."""
    text = " ".join(_shell_text(words))
    return {word for part in re.split(r"[;&|(){}`\n]+|\b(?:then|do|else|if)\b", text) for word in part.split()[:1]}


def _shell_text(words: Sequence[str]) -> list[str]:
    """Return the text that a step gives to a shell, at most one."""
    if words[0].rpartition("/")[2] not in SHELLS:
        return []
    return [words[at + 1] for at in range(1, len(words) - 1) if re.fullmatch(r"-[a-z]*c", words[at])][:1]


def _essential(words: Sequence[str]) -> Iterable[str]:
    """Return the commands of Essential packages that the text of `sh -c` calls."""
    return [command for text in _shell_text(words) for command in script_commands(text.encode())]


def _opened(command: Command, variables: Mapping[str, str]) -> Command:
    """Return a command whose variables the container may set, or one with the values of the image.

    The latter if a shell would expand the variables in another way than systemd.
    """
    if command.literal or not any("$" in word for word in command.words):
        return command._replace(literal=False) if not any(map(has_variable, command.words)) else command
    lone = [variables.get(word[1:], "") for word in command.words if has_variable(word) and not word.startswith("${")]
    if not any("$$" in word for word in command.words) and all(
        unit_file.words(value) == value.split() for value in lone
    ):
        return command
    words = tuple(unit_file.expand_variables(list(command.words), variables))
    return command._replace(words=words, literal=any(map(has_variable, words)))


def changed_directories(words: Sequence[str], made: Sequence[TmpfilesEntry]) -> list[TmpfilesEntry] | None:
    """Return the directories after a command such as `mkdir -m 740 -p DIR`, `chown USER DIR` or `install -d DIR`.

    None if the command changes a path that is none of them.
    """
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
        if clean not in found and program not in _MAKERS:
            return None
        old = found.get(clean, TmpfilesEntry(DIRECTORY, clean))
        found[clean] = old._replace(
            mode=old.mode if mode is None else mode, user=user or old.user, group=group or user or old.group
        )
    return list(found.values())
