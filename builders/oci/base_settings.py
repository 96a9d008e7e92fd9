"""Merge the settings of a container with those of the image that is its base.

`merge` takes and returns the configuration in the form of `config`. docs/bases.md has the rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from fpack.builders.payload.base_image import DIGEST_ANNOTATION, NAME_ANNOTATION, BaseArgs, BaseImage
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value

from .config import PATH

_MILLISECOND = 10**6


def merge(given: Mapping[str, Value], base: BaseImage) -> dict[str, Value]:
    """Return a container's configuration, completed by the base's. The container's settings take precedence.

    An entrypoint of the container replaces the entrypoint and the command of the base; a command alone replaces the
    command. Variables and labels are merged by name, ports and volumes are joined.
    """
    theirs = base.settings
    own_entrypoint = given.get("entrypoint") is not None
    own_command = given.get("command") is not None
    env = {**_env(theirs, base), **(given.get("env") or {})}
    if base.args.first and "PATH" not in (given.get("env") or {}):
        env["PATH"] = ":".join([*base.args.first, env.get("PATH", PATH)])
    entrypoint, command = _words(theirs, "Entrypoint", base), _words(theirs, "Cmd", base)
    if own_entrypoint or base.args.program:
        entrypoint = command = None
    return {
        **given,
        "entrypoint": given.get("entrypoint") if own_entrypoint else entrypoint,
        "command": given.get("command") if own_command else command,
        "env": env,
        "labels": {**_texts(theirs, "Labels", base), **(given.get("labels") or {})},
        "user": given.get("user") or _text(theirs, "User", base) or None,
        "workdir": given.get("workdir") or _path(_text(theirs, "WorkingDir", base)) or None,
        "ports": _joined(_keys(theirs, "ExposedPorts", base), given.get("ports")),
        "volumes": _joined(map(_path, _keys(theirs, "Volumes", base)), given.get("volumes")),
        "stop_signal": given.get("stop_signal") or _text(theirs, "StopSignal", base) or None,
        "healthcheck": given.get("healthcheck") or _health(theirs, base),
    }


def base_annotations(base: BaseArgs) -> dict[str, str]:
    """Return the annotations of an image that name its base."""
    return {NAME_ANNOTATION: base.name.partition("@")[0], DIGEST_ANNOTATION: base.digest}


def _env(theirs: Mapping[str, Any], base: BaseImage) -> dict[str, str]:
    pairs = (text.partition("=") for text in _words(theirs, "Env", base) or ())
    return {name: value for name, sign, value in pairs if name and sign}


def _words(theirs: Mapping[str, Any], key: str, base: BaseImage) -> list[str] | None:
    value = theirs.get(key)
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise _invalid(key, value, base)
    return list(value)


def _text(theirs: Mapping[str, Any], key: str, base: BaseImage) -> str:
    value = theirs.get(key) or ""
    if not isinstance(value, str):
        raise _invalid(key, value, base)
    return value


def _texts(theirs: Mapping[str, Any], key: str, base: BaseImage) -> dict[str, str]:
    value = theirs.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _invalid(key, value, base)
    return {name: text for name, text in value.items() if name}


def _keys(theirs: Mapping[str, Any], key: str, base: BaseImage) -> list[str]:
    value = theirs.get(key) or {}
    if not isinstance(value, dict):
        raise _invalid(key, value, base)
    return sorted(value)


def _path(text: str) -> str:
    """Return a path in its shortest form, as fpack's configuration has it."""
    return os.path.normpath("/" + text.lstrip("/")) if text else ""


def _joined(theirs: Iterable[str], own: Value) -> list[Value]:
    return [*dict.fromkeys([*theirs, *(own or ())])]


def _health(theirs: Mapping[str, Any], base: BaseImage) -> Value:
    """Return the health check in the form of a container's."""
    value = theirs.get("Healthcheck")
    if value is None or value == {}:
        return None
    test = value.get("Test") if isinstance(value, dict) else None
    if not isinstance(test, list) or not all(isinstance(word, str) for word in test):
        raise _invalid("Healthcheck", value, base)
    if test[:1] not in (["CMD"], ["CMD-SHELL"]) or len(test) < 2:
        return None  # there is none, or that of another base
    out: dict[str, Value] = {"command": test[1] if test[0] == "CMD-SHELL" else test[1:]}
    for name, field in (("Interval", "interval"), ("Timeout", "timeout"), ("StartPeriod", "start_period")):
        if value.get(name).__class__ is int and value[name] >= _MILLISECOND:
            out[field] = f"{value[name] // _MILLISECOND}ms"
    if value.get("Retries").__class__ is int and value["Retries"] > 0:
        out["retries"] = value["Retries"]
    return out


def _invalid(key: str, value: Value, base: BaseImage) -> BuildError:
    why = f"its field {key} is invalid: {value!r:.100}"
    return BuildError("The configuration of the base image is invalid", where=base.args.name, why=why)
