"""Find a running container by its name or ID, in podman or docker."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.images.engines import EngineError, find
from fpack.cli.option_table import ENGINES
from fpack.store import processes
from fpack.store.errors import did_you_mean, malformation, one_line

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z")
_ID = re.compile(r"[0-9a-f]{64}\Z")
_MAX_ANSWER = 16 << 20  # bytes
_PATIENCE = 60  # seconds
_MAX_NAMES = 10  # in a message
_MAX_LINES = 4  # of an engine's message


class RunningContainer(NamedTuple):
    """A running container. pid: of its first process, on this machine. env, directory: of its configuration.

    specification: the path of the engine's own runtime configuration, or "". asked: when the engine was asked, in
    seconds since the machine started; its first process is older.
    """

    engine: str
    id: str
    name: str
    pid: int
    env: tuple[str, ...] = ()
    directory: str = ""
    specification: str = ""
    asked: float = math.inf


def installed() -> list[str]:
    return [engine for engine in ENGINES if processes.find(engine)]


def find_container(name: str, engine: str | None = None) -> RunningContainer | None:
    """Return the running container of a name or ID, or None if no engine knows it or works.

    engine: the only one to ask. Raise UsageError if the container does not run, and EngineError if that engine fails.
    """
    if not _NAME.match(name):
        return None
    if engine is not None:
        find(engine)
    for one in [engine] if engine else installed():
        try:
            asked = time.clock_gettime(time.CLOCK_BOOTTIME)
            done = _run(one, ["inspect", "--type", "container", name])
            if not done.status:
                return _container(one, name, done.output)._replace(asked=asked)
            message = done.errors.decode("utf-8", "replace")
            if "no such" not in message.lower():
                raise _failed(one, "inspect", message, done.status)
        except EngineError:
            if engine is not None:
                raise
    return None


def unknown(name: str, engine: str | None, alternative: str = "") -> UsageError:
    """Return the error for a name that no container has. alternative: why it is nothing else either."""
    engines = [engine] if engine else installed()
    if not engines:
        return UsageError(
            f"There is no container {one_line(name)}",
            why="; ".join(filter(None, ["neither podman nor docker is installed", alternative])),
            hint="install podman, or name an image, as in: fpack debug shop.tar",
        )
    names: list[str] = []
    reasons = []
    for one in engines:
        try:
            found = _running(one)
        except EngineError as error:
            reasons.append(f"{one} does not work: {error.why}")
        else:
            names += found
            reasons.append(f"{one} runs {', '.join(found[:_MAX_NAMES]) or 'no containers'}")
    return UsageError(
        f"There is no container {one_line(name)}",
        why="; ".join(filter(None, [*reasons, alternative])),
        hint=did_you_mean(name, names) or f"{engines[0]} ps lists the containers of this user",
    )


def _running(engine: str) -> list[str]:
    """Return the names of an engine's running containers."""
    done = _run(engine, ["ps", "--format", "{{.Names}}"])
    if done.status:
        raise _failed(engine, "ps", done.errors.decode("utf-8", "replace"), done.status)
    return sorted(name for name in done.output.decode("utf-8", "replace").split() if _NAME.match(name))


def _run(engine: str, words: Sequence[str]) -> processes.ProgramResult:
    try:
        return processes.run(engine, words, seconds=_PATIENCE)
    except OSError as error:
        raise EngineError(f"{engine} cannot be asked for containers", why=error.strerror or str(error)) from None


def _failed(engine: str, verb: str, message: str, status: int) -> EngineError:
    lines = message.strip().splitlines()[-_MAX_LINES:]
    return EngineError(
        f"{engine} cannot be asked for containers",
        where=f"{engine} {verb}",
        why="\n".join(map(one_line, lines)) or f"it exited with status {status}",
        hint=f"{engine} info shows whether {engine} works",
    )


def _container(engine: str, name: str, answer: bytes) -> RunningContainer:
    """Return what an engine's answer says. Names, variables and paths in it are the container's author's."""
    try:
        if len(answer) > _MAX_ANSWER:
            raise ValueError("it is too long")
        (record,) = json.loads(answer)
        state = record["State"]
        config = record.get("Config") or {}
        found = RunningContainer(
            engine,
            _text(record, "Id"),
            _text(record, "Name").removeprefix("/"),
            int(state["Pid"]),
            tuple(item for item in config.get("Env") or () if isinstance(item, str) and "\0" not in item),
            _text(config, "WorkingDir"),
            _text(record, "OCIConfigPath"),
        )
        if not _ID.match(found.id) or not _NAME.match(found.name):
            raise ValueError("it has no ID or name")
        is_running, is_paused = state["Running"] is True, state.get("Paused") is True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError(
            f"The answer of {engine} about {name} cannot be read",
            where=f"{engine} inspect",
            why=one_line(malformation(error)),
        ) from None
    if is_paused:
        raise UsageError(f"The container {found.name} is paused", hint=f"{engine} unpause {found.name}")
    if not is_running or found.pid <= 0:
        raise UsageError(
            f"The container {found.name} does not run",
            hint=f"{engine} start {found.name} starts it; {engine} logs {found.name} shows why it ended",
        )
    return found


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field) or ""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"its {field} is not text")
    return value
