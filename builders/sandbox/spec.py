"""What runs in a sandbox, as data, and the arguments for bubblewrap that come of it: a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fpack.builders.protocol import BuildError

from .isolation import Isolation, assemble

STORE = "/fpack/store"
BUILD = "/build"
CONTROL = "/run/fpack"  # where the files that steer a build are seen
UID = 1000
PHASE_FD, ARGUMENTS_FD, FILTER_FD = 3, 4, 5
LEFT = "/left"  # told among the phases: before the names of processes that a command left behind
ISOLATION = Isolation(UID, UID)

GiB = 1 << 30


class Limits(NamedTuple):
    """What a build may use. memory: bytes of all its processes; 0: what the machine has. processes: at once.

    size: bytes of what it writes, to its outputs and beside them. log: bytes that it says.
    """

    seconds: int = 6 * 3600
    memory: int = 0
    processes: int = 4096
    size: int = 64 * GiB
    log: int = 256 << 20


class Spec(NamedTuple):
    """One run. root: the store path of the `root` output that becomes `/`. inputs: store paths that it sees.

    outputs: names below /fpack/store that it may make. control: files that it sees in CONTROL, by name.
    """

    root: str
    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    control: tuple[tuple[str, str], ...] = ()
    limits: Limits = Limits()
    directory: str = BUILD


class Places(NamedTuple):
    """Where things lie, as bubblewrap finds them. work: has `build`, `out`, `tmp` and `control`.

    view: has `root`, `passwd` and `group`. store: the folder with the store's trees.
    """

    view: str
    work: str
    store: str


def options(spec: Spec, places: Places, terminal: bool = False) -> list[str]:
    """bubblewrap's options, without the command. terminal: the one that the caller sits at stays in use."""
    view, work = places.view, places.work
    base = ["--die-with-parent", "--ro-bind", f"{view}/root", "/"]
    words = [
        *("--ro-bind", f"{view}/passwd", "/etc/passwd", "--ro-bind", f"{view}/group", "/etc/group"),
        *("--bind", f"{work}/tmp", "/tmp"),
        *("--bind", f"{work}/build", BUILD),
        *("--bind", f"{work}/out", STORE),
    ]
    for path in spec.inputs:
        words += ("--ro-bind", places.store + path.removeprefix(STORE), path)
    if spec.control:
        words += ("--ro-bind", f"{work}/control", CONTROL)
    words += ("--chdir", spec.directory, "--clearenv")
    for name, value in spec.env:
        words += ("--setenv", name, value)
    # As process 1 of its namespace: when it ends, so has all that it began.
    words += () if terminal else ("--as-pid-1", "--new-session")
    return assemble(ISOLATION, base, words, FILTER_FD)


def left_running(line: str) -> str:
    """What is wrong with a command that told LEFT, in words."""
    names = line.removeprefix(LEFT)[:200]
    return f"it left processes running in the background:{names}; each phase must wait for what it starts, or end it"


def limits_of(value: object) -> Limits:
    """Limits from a derivation's; what it does not name has its default. BuildError for what is no limit."""
    if value is None:
        return Limits()
    if not isinstance(value, Mapping):
        raise BuildError("A build's limits are not a record")
    given = {}
    for name, number in value.items():
        if name not in Limits._fields:
            raise BuildError(f"There is no limit {name!r}", hint="limits are: " + ", ".join(Limits._fields))
        if number is None:
            continue
        if number.__class__ is not int or number <= 0:
            raise BuildError(f"The limit {name!r} is not a number above 0", why=f"it is {number!r}")
        given[name] = number
    return Limits(**given)
