"""Plan how a container runs the server of a package: command line, user, variables, directories, ports.

The unit of the package says most of it; `known_servers.py` adds what units do not tell. A generated shell
script, which becomes the first word of the entrypoint, runs the steps before the server; see `start_script.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from . import known_servers, tmpfiles, unit_file
from .start_script import SHELL, SLEEP, StartScript, has_variable
from .steps import Steps, find_steps
from .tmpfiles import DIRECTORY, SYMLINK, TmpfilesEntry
from .unit import ServiceUnit, main_unit, socket

# Programs for the script that stays while a server that forks runs.
STAYING = (SHELL, SLEEP)


class ServicePlan(NamedTuple):
    """The way a server runs. start: the steps around it. ports: numbers, or text such as 53/udp.

    notes: what of the unit the container does not do. lacks: the programs that the steps need and the root
    does not have.
    """

    entrypoint: tuple[str, ...]
    user: str = ""
    variables: Mapping[str, str] = {}
    workdir: str = ""
    ports: tuple[int | str, ...] = ()
    volumes: tuple[str, ...] = ()
    signal: str = ""
    directories: tuple[TmpfilesEntry, ...] = ()
    start: StartScript = StartScript()
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class ServedPackage(NamedTuple):
    """A package of the root. declarations: the texts of its units and tmpfiles.d files, by path. program: its main one.

    A package with a main program runs that program, whatever other servers it depends on.
    """

    name: str
    declarations: Mapping[str, str]
    program: str = ""


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
        if other.name == provider:
            unit = unit or main_unit(other.name, other.declarations, files.exists)
            known = known or known_servers.COMMANDS.get(package.name)
        elif not package.declarations and provider is None:
            unit = unit or _unit_for(package, main_unit(other.name, other.declarations, files.exists))
            command = known_servers.COMMANDS.get(other.name)
            known = known or (command if command and _is_server_of(package, command[0]) else None)
    if provider is not None and known is None:
        known = known_servers.COMMANDS["nginx"]
    if unit is None and (known is None or not files.exists(known[0])):
        return None
    found = _plan(package.name, unit, known, files)
    return found if unit is None else _with_sockets(found, unit, [package, *others])


def _unit_for(package: ServedPackage, unit: ServiceUnit | None) -> ServiceUnit | None:
    """Return the unit of a dependency if it serves `package`."""
    if unit is None:
        return None
    names = (*unit.start.words[:1], unit.name.removesuffix(".service"))
    return unit if any(_is_server_of(package, name) for name in names) else None


def _is_server_of(package: ServedPackage, name: str) -> bool:
    """Return whether a program or unit with this name serves `package`: any does if the package has no main program."""
    return not package.program or name.rpartition("/")[2] in (package.name, package.program.rpartition("/")[2])


def _with_sockets(plan: ServicePlan, unit: ServiceUnit, packages: Sequence[ServedPackage]) -> ServicePlan:
    """Add the ports of the unit's sockets, which the server opens itself, and the directories of sockets and PID file.

    systemd makes those of sockets, and init scripts make that of the PID file.
    """
    texts = {
        path: text for package in packages for path, text in package.declarations.items() if path.endswith(".socket")
    }
    sockets = [socket(path.rpartition("/")[2], text) for path, text in sorted(texts.items())]
    own = [found for found in sockets if found is not None and found.service == unit.name]
    known = {entry.path for entry in (*temporary_files(packages), *plan.directories)}
    directories = list(plan.directories)
    for path in (*(path for found in own for path in found.paths), plan.start.pid_file):
        directory = path.rpartition("/")[0].strip("/")
        if directory.startswith("run/") and directory not in known:
            known.add(directory)
            # Init scripts give it to the user of the same name as the program; where there is none, root has it.
            user = unit.owner[0] or plan.entrypoint[0].rpartition("/")[2]
            directories.append(TmpfilesEntry(DIRECTORY, directory, 0o755, user, unit.owner[1] or user))
    ports = plan.ports or tuple(dict.fromkeys(port for found in own for port in found.ports))
    return plan._replace(directories=tuple(directories), ports=ports)


def _plan(package: str, unit: ServiceUnit | None, known: tuple[str, ...] | None, files: RootFiles) -> ServicePlan:
    variables: dict[str, str] = {}
    notes: list[str] = []
    if unit is not None:
        variables |= unit.variables
        for path, optional in unit.files:
            variables |= unit_file.environment_file(files.read(path))
            if not optional and not files.exists(path):
                notes.append(f"the unit's environment file {path} is not in the image")
        if unit.starts > 1 and known is None:
            notes.append(f"the unit {unit.name} has {unit.starts} command lines; the last one is the server")
    has_shell = files.exists(SHELL)
    lacks: tuple[str, ...] = ()
    script = StartScript()
    if known is not None and files.exists(known[0]):
        start = known
    else:
        assert unit is not None
        start = _in_foreground(tuple(unit_file.expand_variables(list(unit.start.words), variables)))
        if has_shell:
            start, words = _open(start, unit, variables)
            script = script._replace(words=words)
        if unit.kind == "forking" and not _stays(start):
            lacks = tuple(path for path in STAYING if not files.exists(path))
            if not lacks:
                script = script._replace(forks=True, pid_file=unit.pid_file)
            else:
                notes.append(f"the unit {unit.name} expects {start[0]} to fork; the container ends if it does")
    program = start[0].rpartition("/")[2]
    made = list(_directories(unit))
    if package in known_servers.RUN_DIRECTORIES:
        path, owner = known_servers.RUN_DIRECTORIES[package]
        made.append(TmpfilesEntry(DIRECTORY, path, 0o755, owner, owner))
    steps = Steps(made=tuple(made))
    if unit is not None:
        steps = find_steps(unit, variables, files.exists, made, script.forks or bool(lacks))
        notes += steps.notes
        lacks = (*lacks, *(path for path in steps.lacks if path not in lacks))
        script = script._replace(conditions=steps.conditions, before=steps.before, after=steps.after)
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
        directories=steps.made,
        start=script if has_shell else StartScript(),
        notes=tuple(notes),
        lacks=lacks,
    )


def _stays(start: tuple[str, ...]) -> bool:
    """Return whether it is known how the server stays in the foreground."""
    return start[0].rpartition("/")[2] in known_servers.FOREGROUND


def _in_foreground(start: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line of a server that stays in the foreground, where this is known."""
    form = known_servers.FOREGROUND.get(start[0].rpartition("/")[2], known_servers.Foreground())
    kept = [word for word in start if word not in form.drop]
    # Some programs read no options after other arguments.
    return (*kept[:1], *(word for word in form.add if word not in kept), *kept[1:])


def _open(
    start: tuple[str, ...], unit: ServiceUnit, variables: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the command line with the variables of the unit, and the words that have them.

    A container can then be given other values. `start` is the command line with the values of the image. It is returned
    unchanged if a shell would expand the variables in another way than systemd.
    """
    words = [word if has_variable(word) else word.replace("$$", "$") for word in unit.start.words]
    changed = tuple(word for word in words if has_variable(word))
    names = [word[1:] for word in changed if not word.startswith("${")]
    plain = all(unit_file.words(value) == value.split() for value in (variables.get(name, "") for name in names))
    kept = _in_foreground(tuple(words))
    if not plain or any("$$" in word for word in changed):
        return start, ()
    if tuple(unit_file.expand_variables(list(kept), variables)) != start:
        return start, ()
    return kept, changed


def _directories(unit: ServiceUnit | None) -> Iterator[TmpfilesEntry]:
    for entry in unit.directories if unit is not None else ():
        owned = not entry.path.startswith("etc/")
        user, group = unit.owner if unit is not None and owned else ("", "")
        yield TmpfilesEntry(DIRECTORY, entry.path, entry.mode, user, group or user)


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
