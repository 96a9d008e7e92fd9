"""Validate the configuration of a container and translate it to the `config` of an OCI image."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from fpack.builders.arguments import described
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.errors import did_you_mean

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIELDS = (
    *("entrypoint", "command", "env", "user", "workdir", "ports", "volumes", "labels", "stop_signal", "healthcheck"),
)
_HEALTH = ("command", "interval", "timeout", "start_period", "retries")
_SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM"),
    *("TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF"),
    *("WINCH", "IO", "PWR", "SYS", "RTMIN", "RTMAX"),
)
_REALTIME = re.compile(r"RTM(IN\+|AX-)([1-9]|[12][0-9]|30)\Z")
_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?\Z")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?\Z")


def check(config: Mapping[str, Value]) -> None:
    """Raise BuildError if a field is unknown."""
    _known(config, _FIELDS, "The configuration")


def oci_config(config: Mapping[str, Value], entrypoint: list[str] | None, user: str | None) -> dict[str, Value]:
    """Return the image's `config` object, with fields as in the OCI image specification, config.md.

    entrypoint, user: the resolved values, which replace those in `config`. Empty fields are left out.
    """
    check(config)
    out: dict[str, Value] = {
        "User": user,
        "ExposedPorts": {port: {} for item in config.get("ports") or () for port in ports(item)},
        "Env": _env(config.get("env") or {}),
        "Entrypoint": entrypoint,
        "Cmd": strings(config, "command"),
        "Volumes": {absolute(volume, "A volume"): {} for volume in config.get("volumes") or ()},
        "WorkingDir": None,
        "Labels": _labels(config.get("labels") or {}),
        "StopSignal": None,
        "Healthcheck": None,
    }
    if config.get("workdir"):
        out["WorkingDir"] = absolute(config["workdir"], "The working directory")
    if config.get("stop_signal"):
        out["StopSignal"] = _signal(config["stop_signal"])
    if config.get("healthcheck"):
        out["Healthcheck"] = _health(config["healthcheck"])
    return {key: value for key, value in out.items() if value}


def strings(config: Mapping[str, Value], field: str) -> list[str] | None:
    """Return a field that is a list of arguments, or None if it is absent."""
    value = config.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise BuildError(f"The {field} of an image must be a list of strings", why=f"it is {described(value)}")
    return list(value)


def _known(value: Mapping[str, Value], fields: tuple[str, ...], where: str) -> None:
    for key in value:
        if key not in fields:
            why = f"its fields are {', '.join(fields)}"
            raise BuildError(f"{where} has no field {key!r}", why=why, hint=did_you_mean(key, fields))


def ports(value: Value) -> list[str]:
    """Return the ports that a value such as 53/udp or 8000-8010 means. Raise BuildError if it means none."""
    match = _PORT.match(value if isinstance(value, str) else str(value) if value.__class__ is int else "")
    first, last, protocol = match.groups() if match else ("0", None, None)
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535:
        raise BuildError(
            f"{described(value)} is not a port",
            why="a port is a number from 1 to 65535, or text like 53/udp or 8000-8010/tcp",
        )
    return [f"{port}/{protocol or 'tcp'}" for port in range(low, high + 1)]


def _env(env: Mapping[str, Value]) -> list[str]:
    for key, value in env.items():
        if not key or "=" in key or "\0" in key:
            raise BuildError(f"{key!r} cannot be the name of an environment variable")
        if not isinstance(value, str) or "\0" in value:
            raise BuildError(f"The environment variable {key} must be a string", why=f"it is {described(value)}")
    return [f"{key}={value}" for key, value in sorted({"PATH": PATH, **env}.items())]


def _labels(labels: Mapping[str, Value]) -> dict[str, str]:
    for key, value in labels.items():
        if not key or not isinstance(value, str):
            raise BuildError(f"The label {key!r} must be a string", why=f"it is {described(value)}")
    return dict(labels)


def absolute(value: Value, what: str) -> str:
    """Return a path. Raise BuildError if it is not absolute and plain."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise BuildError(f"{what} is not an absolute path", why=f"it is {described(value)}")
    clean = os.path.normpath("/" + value.lstrip("/"))
    if clean != value:
        raise BuildError(f"{what} is not a plain path", why=f"it is {described(value)}", hint=f"write {clean}")
    return value


def _signal(value: Value) -> str:
    text = str(value) if value.__class__ in (str, int) else ""
    if text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= 64:
        return str(int(text))
    name = text.upper().removeprefix("SIG")
    if name in _SIGNALS or _REALTIME.match(name):
        return f"SIG{name}"
    hint = did_you_mean(f"SIG{name}", [f"SIG{known}" for known in _SIGNALS])
    raise BuildError(f"There is no signal {described(value)}", hint=hint or "write a name like SIGTERM, or a number")


def _health(value: Value) -> dict[str, Value]:
    """Return the health check, which is Docker's extension of the OCI configuration. Durations are nanoseconds."""
    if not isinstance(value, Mapping):
        raise BuildError("The health check of an image must be a record", why=f"it is {described(value)}")
    _known(value, _HEALTH, "A health check")
    command = value.get("command")
    if isinstance(command, str) and command:
        test = ["CMD-SHELL", command]
    elif isinstance(command, list) and command and all(isinstance(item, str) for item in command):
        test = ["CMD", *command]
    else:
        raise BuildError("A health check needs a command", hint="a list of arguments, or one string for the shell")
    out: dict[str, Value] = {"Test": test}
    for key, name in (("interval", "Interval"), ("timeout", "Timeout"), ("start_period", "StartPeriod")):
        if value.get(key) is not None:
            out[name] = _nanoseconds(value[key], key)
    retries = value.get("retries")
    if retries is not None:
        if retries.__class__ is not int or retries < 1:
            raise BuildError("The retries of a health check must be a number from 1", why=f"it is {described(retries)}")
        out["Retries"] = retries
    return out


def _nanoseconds(value: Value, field: str) -> int:
    """Convert a number of seconds, or text like 1m30s or 500ms, to nanoseconds."""
    if value.__class__ is int and value > 0:
        return int(value) * 10**9
    match = _DURATION.match(value) if isinstance(value, str) and value else None
    hours, minutes, seconds, thousandths = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths
    if not total:
        raise BuildError(
            f"{described(value)} is not a duration", where=field, hint="write seconds, or text like 1m30s or 500ms"
        )
    return total * 10**6
