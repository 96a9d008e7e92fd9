"""Prepare a process that becomes bubblewrap: enter the namespace of an emulator, and give up privileges.

It gives up those of root, and access to the machine's abstract sockets. This applies to bubblewrap and all that it
runs, and cannot be undone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence

from fpack.builders.sandbox import landlock
from fpack.store import processes
from fpack.store.errors import FpackError

from .launch import Launch
from .plan import Plan


def become_bwrap(
    launch: Launch, words: Callable[[Plan], list[str]], streams: Sequence[int], signals: Iterable[int]
) -> int:
    """Become bubblewrap, in a copy of fpack's process. Return a status, after reporting the reason, only on failure.

    words: bubblewrap's arguments for a plan. streams: descriptors that become its standard input and outputs, in a new
    session; if empty, it shares this process's. signals: signals whose default action is restored.
    """
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    if streams:
        os.setsid()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
    bwrap, plan = launch.bwrap, launch.plan
    try:
        # Another user may not reach the emulator's path; opened by root, it needs no path.
        emulator = os.open(launch.emulator[1], os.O_RDONLY | os.O_CLOEXEC) if launch.emulator else -1
        if launch.outside:
            from . import stage

            bwrap, plan = stage.enter(bwrap, plan, launch.outside)
        if launch.emulator:
            _emulate(launch.emulator[0], emulator)
        if plan.isolation.closed and plan.isolation.network and landlock.can_refuse_abstract_sockets():
            landlock.refuse_abstract_sockets()
        processes.become("bwrap", words(plan), program=bwrap)
    except OSError as error:
        os.write(2, f"error: {bwrap} cannot be run: {error.strerror}\n".encode())
    except FpackError as error:
        os.write(2, f"error: {error.what}: {error.why}\n  try:   {error.hint}\n".encode())
    return 126


def _emulate(rule: str, emulator: int) -> None:
    """Let the kernel run another machine's programs by an emulator, from here on. Raise SandboxError if it refuses."""
    from fpack.builders.sandbox import emulation
    from fpack.builders.sandbox.bwrap import SandboxError

    try:
        emulation.enter(rule, emulator)
    except OSError as error:
        raise SandboxError(
            "The kernel does not let the sandbox have an emulator",
            why=f"{error.filename}: {error.strerror}",
            hint="install an emulator for the whole machine, such as Debian's qemu-user-binfmt",
        ) from None
