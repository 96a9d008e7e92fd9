"""Turn the configuration of an image into a command to run, as a container engine does."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.configure.ids import COUNT
from fpack.cli.errors import UsageError

from .model import Trial
from .ports import PortMap
from .tree import ImageFiles

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RESOLV = "/etc/resolv.conf"
_MAX_RESOLV = 1 << 16  # bytes
_INITS = (["/usr/bin/tini", "--"], ["/usr/bin/tini-static", "--"])
_HOSTS = ("/etc/hosts", "127.0.0.1 localhost fpack\n::1 localhost\n")
_PORT = re.compile(r"[0-9]{1,5}(/[a-z]+)?\Z")
_NUMBERS = re.compile(r"[0-9]{1,10}:[0-9]{1,10}\Z")
_MAX_WORDS = 100_000
_SHELLS = [[f"/usr/bin/{name}"] for name in ("bash", "sh")]


class PlannedTrial(NamedTuple):
    """A command to run, and the ports that its image declares, as in 8080/tcp."""

    trial: Trial
    ports: tuple[str, ...]


def plan(
    name: str, config: Mapping[str, Any], files: ImageFiles, command: Sequence[str], environ: Mapping[str, str]
) -> PlannedTrial:
    """Plan the command of an image. command: words that replace the entrypoint and its arguments, if there are any.

    config: the settings of an image, which may be any JSON.
    """
    words = list(command) or [*_texts(config, "Entrypoint"), *_texts(config, "Cmd")]
    if words[:2] in _INITS:
        words = words[2:]  # process 1 of the sandbox does what tini does; tini warns if it is another process
    if not words:
        raise UsageError(
            f"The image {name} has no program",
            hint="name one after --, as in: fpack try WHAT -- PROGRAM, or with --entrypoint",
        )
    uid, gid = _user(_text(config, "User"), files)
    env = {key: value for key, _, value in (variable.partition("=") for variable in _texts(config, "Env")) if key}
    env.setdefault("PATH", _PATH)
    env.setdefault("HOME", _home(files.text("etc/passwd"), uid))
    if "TERM" in environ and os.isatty(0):
        env.setdefault("TERM", environ["TERM"])
    directory = f"/{_text(config, 'WorkingDir')}".replace("//", "/")
    made: dict[str, str | None] = {f"/{path}".replace("//", "/"): None for path in _texts(config, "Volumes")}
    made[directory] = None
    if resolv := _read(_RESOLV, _MAX_RESOLV):
        made[_RESOLV] = resolv
    if not files.text(_HOSTS[0]):
        made[_HOSTS[0]] = _HOSTS[1]
    # A shell reads Ctrl-C itself, and so may a command of the user's.
    stop = 0 if command or words in _SHELLS else _signal(_text(config, "StopSignal"))
    # With a pipe, other programs of the caller share the terminal, for example `less`.
    takes_terminal = not stop and os.isatty(0) and os.isatty(1)
    exposed = tuple(port for port in _texts(config, "ExposedPorts") if _PORT.match(port))
    ports = PortMap({int(port.partition("/")[0]) for port in exposed})
    trial = Trial(files.tree_with(made), words, env, directory, ports, uid, gid, stop, takes_terminal)
    return PlannedTrial(trial, exposed)


def changed(config: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an image with what options of the command line, as fields of a container, change."""
    from fpack.builders.oci import config as image_config

    found = dict(config)
    if "entrypoint" in fields:
        found["Entrypoint"], found["Cmd"] = fields["entrypoint"], []
    if "command" in fields:
        found["Cmd"] = fields["command"]
    if "user" in fields:
        found["User"] = fields["user"]
    added = [f"{name}={value}" for name, value in fields.get("env", {}).items()]
    found["Env"] = [*_texts(config, "Env"), *added]
    ports = [port for text in fields.get("ports", ()) for port in image_config.ports(text)]
    found["ExposedPorts"] = [*_texts(config, "ExposedPorts"), *ports]
    found["Volumes"] = [*_texts(config, "Volumes"), *fields.get("volumes", ())]
    return found


def _texts(config: Mapping[str, Any], field: str) -> list[str]:
    """Return the texts of a list, or the keys of a record; [] if the field is missing."""
    found = config.get(field) or []
    texts = list(found) if isinstance(found, (list, dict)) else [found]
    if len(texts) > _MAX_WORDS or not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise UsageError(f"The configuration of the image cannot be used: its {field} is not a list of strings")
    return texts


def _text(config: Mapping[str, Any], field: str) -> str:
    """Return a text; "" if the field is missing."""
    return "".join(_texts(config, field)[:1])


def _signal(text: str) -> int:
    """Return the number of a signal by its number or name, as in SIGQUIT and SIGRTMIN+3; SIGTERM if there is none."""
    name, plus, more = text.partition("+") if "+" in text else text.partition("-")
    try:
        number = int(name) if name.isdigit() else int(signal.Signals[name])
        number += int(f"{plus}{more}") if plus else 0
        return number if signal.strsignal(number) or signal.SIGRTMIN <= number <= signal.SIGRTMAX else signal.SIGTERM
    except (KeyError, ValueError, OverflowError):
        return signal.SIGTERM


def _user(text: str, files: ImageFiles) -> tuple[int, int]:
    """Return the numbers of a user and a group. An image of fpack has them; another may have names."""
    if not _NUMBERS.match(text := text or "0:0"):
        from fpack.builders.oci.user import resolve_user

        text = resolve_user(text, files.text("etc/passwd"), files.text("etc/group"), (), ())
    uid, gid = map(int, text.split(":"))
    if max(uid, gid) >= COUNT - 1:
        raise UsageError(
            f"The user {text} cannot run in a sandbox",
            why=f"a sandbox has users and groups with numbers below {COUNT - 1}",
        )
    return uid, gid


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
