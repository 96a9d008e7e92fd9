"""Turn the configuration of an image into a command to run, as a container engine does."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.configure.ids import COUNT
from fpack.builders.oci.image_record import ImageRecord
from fpack.cli.errors import UsageError

from .model import Trial
from .tree import ImageFiles

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RESOLV = "/etc/resolv.conf"
_PORT_START = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_MAX_RESOLV = 1 << 16
_INIT = ["/usr/bin/tini", "--"]
_SHELLS = [[f"/usr/bin/{name}"] for name in ("bash", "sh")]


class Planned(NamedTuple):
    """A command to run, and the ports that its image declares, as in 8080/tcp."""

    trial: Trial
    ports: tuple[str, ...]


def plan(record: ImageRecord, files: ImageFiles, command: Sequence[str], environ: Mapping[str, str]) -> Planned:
    """Plan the command of an image. command: words that replace the entrypoint and its arguments, if there are any."""
    config: dict[str, Any] = json.loads(record.config).get("config", {})
    words = list(command) or [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    if words[: len(_INIT)] == _INIT:
        words = words[len(_INIT) :]  # process 1 of the sandbox does what it does, and it warns if it is another process
    if not words:
        raise UsageError(
            f"The image {record.fields['name']} has no program",
            hint="name one after --, as in: fpack try WHAT -- PROGRAM, or with --entrypoint",
        )
    uid, gid = _user(config.get("User") or "0:0")
    env = dict(variable.split("=", 1) for variable in config.get("Env") or ())
    env.setdefault("PATH", _PATH)
    env.setdefault("HOME", _home(files.text("etc/passwd"), uid))
    if "TERM" in environ and os.isatty(0):
        env.setdefault("TERM", environ["TERM"])
    directory = config.get("WorkingDir") or "/"
    made: dict[str, str | None] = dict.fromkeys((*(config.get("Volumes") or ()), directory))
    if resolv := _read(_RESOLV, _MAX_RESOLV):
        made[_RESOLV] = resolv
    # A shell reads Ctrl-C itself, and so may a command of the user's.
    stop = 0 if command or words in _SHELLS else _signal(str(config.get("StopSignal") or "SIGTERM"))
    # With a pipe, other programs of the caller share the terminal, for example `less`.
    takes_terminal = not stop and os.isatty(0) and os.isatty(1)
    trial = Trial(files.tree_with(made), words, env, directory, uid, gid, stop, takes_terminal)
    return Planned(trial, tuple(config.get("ExposedPorts") or ()))


def closed_ports(ports: Sequence[str]) -> list[int]:
    """Return the ports that a sandbox may not open: its root has no rights on this machine."""
    start = int(_read(_PORT_START, 16) or "1024")
    return [number for port in ports if (number := int(port.partition("/")[0])) < start]


def _signal(text: str) -> int:
    """Return the number of a signal by its number or name, as in SIGQUIT and SIGRTMIN+3."""
    if text.isdigit():
        return int(text)
    name, plus, more = text.partition("+")
    if not plus:
        name, plus, more = text.partition("-")
    number = int(getattr(signal, name, signal.SIGTERM))
    return number + int(f"{plus}{more or 0}") if more else number


def _user(text: str) -> tuple[int, int]:
    """Return the numbers of a user and a group, which an image of fpack always has."""
    uid, _, gid = text.partition(":")
    numbers = int(uid), int(gid or 0)
    if max(numbers) >= COUNT - 1:
        raise UsageError(f"The user {text} cannot run in a sandbox", why=f"its numbers are below {COUNT - 1} only")
    return numbers


def _home(passwd: str, uid: int) -> str:
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 5 and fields[2] == str(uid) and fields[5].startswith("/"):
            return fields[5]
    return "/"


def _read(path: str, most: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""
