"""Describe a run in a sandbox as data, and compute bubblewrap's options from the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fpack.builders.protocol import BuildError

from .isolation import Isolation, assemble

STORE = "/fpack/store"
BUILD = "/build"
CONTROL = "/run/fpack"  # the directory of a build's scripts in the sandbox
UID = 1000  # of the user of a build, as the build sees it
PHASE_FD, FILTER_FD = 3, 5
LEFT = "/left"  # the prefix, in the stream of phases, of the names of processes that a command left running
ISOLATION = Isolation(UID, UID)

GiB = 1 << 30


class BuildLimits(NamedTuple):
    """Resource limits of a build. memory: bytes of all its processes, 0 for the machine's memory. processes: at once.

    size: bytes of all files that it writes. log: bytes of its output.
    """

    seconds: int = 6 * 3600
    memory: int = 0
    processes: int = 4096
    size: int = 64 * GiB
    log: int = 256 << 20


class Spec(NamedTuple):
    """A run. root: the store path of the `root` output that becomes `/`. inputs: the visible store paths.

    outputs: names below /fpack/store that it may create. control: names and texts of the files in CONTROL; those in its
    directory `bin` are programs. covers: files of the root that others cover: the path of each, the name in CONTROL of
    what covers it, and the name there of the file itself. emulator: the rule (`emulation.rule`) for the root's
    programs, and the emulator's path on disk; None if the machine runs them.
    """

    root: str
    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    control: tuple[tuple[str, str], ...] = ()
    limits: BuildLimits = BuildLimits()
    directory: str = BUILD
    covers: tuple[tuple[str, str, str], ...] = ()
    emulator: tuple[str, str] | None = None


class SandboxPaths(NamedTuple):
    """The directories of a run as bubblewrap sees them. work: with `build`, `out`, `tmp` and `control`.

    view: with `root`, `passwd` and `group`. store: the directory of the store's trees.
    """

    view: str
    work: str
    store: str


def options(spec: Spec, paths: SandboxPaths, terminal: bool = False) -> list[str]:
    """Return bubblewrap's options, without the command. terminal: keep the caller's terminal."""
    view, work = paths.view, paths.work
    base = ["--die-with-parent", "--ro-bind", f"{view}/root", "/"]
    words = [
        *("--ro-bind", f"{view}/passwd", "/etc/passwd", "--ro-bind", f"{view}/group", "/etc/group"),
        *("--bind", f"{work}/tmp", "/tmp"),
        *("--bind", f"{work}/build", BUILD),
        *("--bind", f"{work}/out", STORE),
    ]
    for path in spec.inputs:
        words += ("--ro-bind", paths.store + path.removeprefix(STORE), path)
    if spec.control:
        words += ("--ro-bind", f"{work}/control", CONTROL)
    for path, cover, name in spec.covers:
        words += ("--ro-bind", f"{view}/root{path}", f"{CONTROL}/{name}")
        words += ("--ro-bind", f"{work}/control/{cover}", path)
    words += ("--chdir", spec.directory, "--clearenv")
    for name, value in spec.env:
        words += ("--setenv", name, value)
    # The command is process 1 of its namespace, so the kernel ends all its descendants with it.
    words += () if terminal else ("--as-pid-1", "--new-session")
    return assemble(ISOLATION, base, words, FILTER_FD)


def left_running(line: str) -> str:
    """Return the error text for a command that reported LEFT."""
    names = line.removeprefix(LEFT)[:200]
    return f"it left processes running in the background:{names}; each phase must wait for its processes or end them"


def limits_of(value: object) -> BuildLimits:
    """Parse the limits of a derivation. Missing ones have their defaults. Raise BuildError for an invalid limit."""
    if value is None:
        return BuildLimits()
    if not isinstance(value, Mapping):
        raise BuildError("The limits of a build are not a record")
    given = {}
    for name, number in value.items():
        if name not in BuildLimits._fields:
            raise BuildError(f"There is no limit {name!r}", hint="limits are: " + ", ".join(BuildLimits._fields))
        if number is None:
            continue
        if number.__class__ is not int or number <= 0:
            raise BuildError(f"The limit {name!r} is not a number above 0", why=f"it is {number!r}")
        given[name] = number
    return BuildLimits(**given)
