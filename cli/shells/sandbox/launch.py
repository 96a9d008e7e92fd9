"""Define what is needed to start a command in a shell's sandbox."""

from __future__ import annotations

from collections.abc import Mapping

from fpack.light_typing import NamedTuple

from .plan import Plan


class Launch(NamedTuple):
    """A command to run in a sandbox.

    words, env: of the command. init: the command is process 1 of the sandbox. filter_file: file with the filter of
    system calls. outside: for root's sandboxes, the machine's user that runs the sandbox's processes; 0: the caller.
    helper: program that attaches the machine's network, or empty. ports: ports of the machine's 127.0.0.1 that the
    command can also reach. emulator: as in `Closure`.
    """

    bwrap: str
    plan: Plan
    words: tuple[str, ...]
    env: Mapping[str, str]
    filter_file: str
    init: bool = False
    outside: int = 0
    helper: str = ""
    ports: tuple[int, ...] = ()
    emulator: tuple[str, str] | None = None
