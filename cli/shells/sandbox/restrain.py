"""Give up rights before bubblewrap starts: root's, and the machine's abstract sockets.

What is done here holds for bubblewrap and all that it runs, and cannot be undone.
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
    """In a copy of fpack's process: become bubblewrap. It returns a status only if that fails, after saying why.

    words: bubblewrap's, for a plan. streams: what become its standard input and outputs, in a session of its own; none:
    this process's. signals: those that have their usual effect in it.
    """
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    if streams:
        os.setsid()
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
    bwrap, plan = launch.bwrap, launch.plan
    try:
        if launch.outside:
            from . import stage

            bwrap, plan = stage.enter(bwrap, plan, launch.outside)
        if plan.isolation.closed and plan.isolation.network and landlock.can_refuse_abstract_sockets():
            landlock.refuse_abstract_sockets()
        processes.become("bwrap", words(plan), program=bwrap)
    except OSError as error:
        os.write(2, f"error: {bwrap} cannot be run: {error.strerror}\n".encode())
    except FpackError as error:
        os.write(2, f"error: {error.what}: {error.why}\n  try:   {error.hint}\n".encode())
    return 126
