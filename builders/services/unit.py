"""Describe a service unit as data, and choose the main unit of a package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from . import unit_file

_DIRECTORIES = {
    "RuntimeDirectory": "run",
    "StateDirectory": "var/lib",
    "CacheDirectory": "var/cache",
    "LogsDirectory": "var/log",
    "ConfigurationDirectory": "etc",
}
# Units that help others, or that run once.
_HELPERS = re.compile(r".*(resolvconf|wait|cleanup|clean|helper|setup|rotate|recovery|-init)\b.*")
_SUFFIXES = re.compile(r"-(server|daemon|core|light|heavy|full|common|bin|nox|headless)(-.*)?\Z|[0-9.]+\Z")
_QUOTED_SEPARATOR = re.compile(r"""(?<!\S)(?:\\;|';'|";")(?!\S)""")
# The main unit of packages whose units have other names.
_UNITS = {"bind9": "named", "openssh-server": "ssh", "samba": "smbd", "pdns-server": "pdns"}


class Command(NamedTuple):
    """A command line. optional: its failure is ignored. privileged: it runs as root whatever the unit's user is.

    literal: its words have no variables. host: it has a specifier whose value only the running host knows.
    """

    words: tuple[str, ...]
    optional: bool = False
    privileged: bool = False
    literal: bool = False
    host: bool = False


class ServiceDirectory(NamedTuple):
    """A directory that systemd makes for a service. volume: it holds state."""

    path: str
    mode: int
    volume: bool = False


class ServiceUnit(NamedTuple):
    """A service. name: of the unit. variables: of `Environment=`. files: (path, optional) of `EnvironmentFile=`.

    conditions, before, after: of `ExecCondition=`, `ExecStartPre=` and `ExecStartPost=`. starts: the number of command
    lines of `ExecStart=`, of which `start` is the last.

    user, group: names or "". owner: user and group of the directories, also where the server starts as root. kind: of
    `Type=`. workdir, pid_file: absolute or "". signal: of `KillSignal=`.
    """

    name: str
    start: Command
    before: tuple[Command, ...]
    kind: str
    user: str
    group: str
    variables: Mapping[str, str]
    files: tuple[tuple[str, bool], ...]
    workdir: str
    signal: str
    directories: tuple[ServiceDirectory, ...]
    wanted: bool
    pid_file: str = ""
    owner: tuple[str, str] = ("", "")
    conditions: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    starts: int = 1


def service(name: str, text: str) -> ServiceUnit | None:
    """Return the service that a unit file describes; None if it starts no lasting program."""
    sections = unit_file.parse(text)
    body = sections.get("Service", {})

    def last(key: str) -> str:
        return unit_file.expand_specifiers((body.get(key) or [""])[-1], name)

    kind = last("Type") or "simple"
    starts = _commands(body.get("ExecStart", []), name)
    if _is_template(name) or kind == "oneshot" or not starts:
        return None
    start = starts[-1]
    if not start.words or start.words[0] in ("/bin/true", "/usr/bin/true"):
        return None
    variables: dict[str, str] = {}
    for value in body.get("Environment", []):
        variables |= unit_file.assignments(unit_file.expand_specifiers(value, name))
    files = [unit_file.expand_specifiers(value, name) for value in body.get("EnvironmentFile", [])]
    return ServiceUnit(
        name.rpartition(".")[0].partition("@")[0],
        start,
        _commands(body.get("ExecStartPre", []), name),
        kind,
        "" if start.privileged else last("User"),
        "" if start.privileged else last("Group"),
        variables,
        tuple((value.removeprefix("-"), value.startswith("-")) for value in files),
        last("WorkingDirectory").lstrip("-") if last("WorkingDirectory").lstrip("-").startswith("/") else "",
        last("KillSignal"),
        tuple(_directories(body, name)),
        any("multi-user.target" in value for value in sections.get("Install", {}).get("WantedBy", [])),
        _pid_file(last("PIDFile")),
        (last("User"), last("Group")),
        _commands(body.get("ExecCondition", []), name),
        _commands(body.get("ExecStartPost", []), name),
        len(starts),
    )


def _without_init_script(unit: ServiceUnit, exists: Callable[[str], bool]) -> ServiceUnit:
    """Return a unit that starts the program for which an init script is named, since images have no init scripts."""
    directory, _, name = unit.start.words[0].rpartition("/")
    programs = (f"/usr/sbin/{name}", f"/usr/bin/{name}")
    program = next(filter(exists, programs), "") if directory == "/etc/init.d" else ""
    return unit._replace(start=unit.start._replace(words=(program,))) if program else unit


def _pid_file(path: str) -> str:
    return f"/run/{path}" if path and not path.startswith("/") else _run(path)


def _run(path: str) -> str:
    return path.replace("/var/run/", "/run/", 1) if path.startswith("/var/run/") else path


class SocketUnit(NamedTuple):
    """The sockets that systemd opens for a service. service: its unit. ports: numbers, or text such as 53/udp."""

    service: str
    paths: tuple[str, ...]
    ports: tuple[int | str, ...]


_LISTENS = {"ListenStream": "", "ListenDatagram": "/udp", "ListenSequentialPacket": "", "ListenFIFO": ""}


def socket(name: str, text: str) -> SocketUnit | None:
    """Return the sockets of a socket unit; None if each connection has a service of its own."""
    body = unit_file.parse(text).get("Socket", {})
    if _is_template(name) or (body.get("Accept") or ["no"])[-1].lower() in ("yes", "true", "1", "on"):
        return None
    paths: list[str] = []
    ports: list[int | str] = []
    for key, suffix in _LISTENS.items():
        for value in body.get(key, []):
            value = unit_file.expand_specifiers(value, name)
            port = re.fullmatch(r"(?:.*:)?([0-9]{1,5})", value)
            if value.startswith("/"):
                paths.append(_run(value))
            elif port and 0 < int(port[1]) < 1 << 16:
                ports.append(f"{port[1]}{suffix}" if suffix else int(port[1]))
    started = (body.get("Service") or [f"{name.rpartition('.')[0]}.service"])[-1]
    return SocketUnit(started.rpartition(".")[0], tuple(paths), tuple(dict.fromkeys(ports)))


def _is_template(name: str) -> bool:
    """Return whether a unit has no instance. One with an instance, tor@default.service, is a unit like others."""
    return "@." in name


def _commands(values: Iterable[str], unit: str) -> tuple[Command, ...]:
    """Return the commands of the lines of a key. A word `;` separates commands of one line."""
    found: list[Command] = []
    for value in values:
        host = unit_file.names_the_host(value)
        # A semicolon with a backslash or quotes is an argument.
        text = _QUOTED_SEPARATOR.sub("\0", unit_file.expand_specifiers(value, unit).replace("\0", ""))
        line: list[str] = []
        for word in [*unit_file.words(text), ";"]:
            if word != ";":
                line.append(word.replace("\0", ";"))
            elif line:
                found.append(_command(line, host))
                line = []
    return tuple(found)


def _command(line: list[str], host: bool) -> Command:
    marks = re.match(r"[-@:+!]*", line[0])
    prefix = marks[0] if marks else ""
    found = [*filter(None, [line[0][len(prefix) :]]), *line[1:]]
    if "@" in prefix:
        del found[1:2]
    return Command(tuple(found), "-" in prefix, "+" in prefix or "!" in prefix, ":" in prefix, host)


def _directories(body: Mapping[str, list[str]], unit: str) -> Iterable[ServiceDirectory]:
    for key, base in _DIRECTORIES.items():
        mode = (body.get(f"{key}Mode") or ["0755"])[-1]
        bits = int(mode, 8) & 0o7777 if re.fullmatch(r"[0-7]{1,4}", mode) else 0o755
        for value in body.get(key, []):
            for word in unit_file.expand_specifiers(value, unit).split():
                name = word.partition(":")[0].strip("/")
                if name and not {"", ".", ".."} & set(name.split("/")):
                    yield ServiceDirectory(f"{base}/{name}", bits, key == "StateDirectory")


def main_unit(package: str, declarations: Mapping[str, str], exists: Callable[[str], bool]) -> ServiceUnit | None:
    """Return the unit that a package is mainly for, or None.

    declarations: the texts of its unit files by path. exists(path): whether the image has a file.
    """
    found = []
    for path, text in sorted(declarations.items()):
        name = path.rpartition("/")[2]
        if not name.endswith(".service"):
            continue
        unit = service(name, text)
        unit = unit and _without_init_script(unit, exists)
        if unit is not None and exists(unit.start.words[0]):
            found.append(unit)
    stem = _SUFFIXES.sub("", package)
    names = (_UNITS.get(package, package), package, stem, f"{stem}d")

    def rank(unit: ServiceUnit) -> tuple[int, bool, bool, str]:
        place = names.index(unit.name) if unit.name in names else len(names)
        return place, bool(_HELPERS.match(unit.name)), not unit.wanted, unit.name

    return min(found, key=rank, default=None)
