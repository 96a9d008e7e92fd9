"""Run a session in a container from its start to its end, after which nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from fpack.cli.ui.render import note
from fpack.store import processes
from fpack.store.errors import printable

from . import entrant, survivors
from .entrant import DebugSession
from .process import ContainerError
from .relay import Relay, SessionEnded
from .view import MAX_ENTRIES

_MAX_ENDS = 4  # descriptors of a message
_END = 2.0  # seconds that a killed container has to end


def run(session: DebugSession, tools: int) -> int:
    """Run the command to its end. Return its exit status. tools: a detached mount, which is closed."""
    processes.hide_inherited()
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    child = processes.fork(lambda: entrant.enter(session, tools, theirs, parent))
    theirs.close()
    os.close(tools)
    try:
        data, fds, _, _ = socket.recv_fds(ours, 4096, _MAX_ENDS)
        if not fds:
            raise _refused(session, data)
        left_out, root = map(int, data.split())
        if left_out:
            note(f"fpack shows {MAX_ENTRIES} entries of the container's /, and leaves out {left_out}")
        return _attend(session, child, ours, root, fds)
    finally:
        ours.close()
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _attend(session: DebugSession, child: int, channel: socket.socket, root: int, fds: list[int]) -> int:
    """Let the command start, and attend it.

    root: the device of its `/`. fds: its mount namespace, and the ends of its terminal or pipes.
    """
    namespace, *ends = fds
    mark = survivors.Mark(namespace, root)
    watcher, stop = survivors.watch(mark, (channel.fileno(), *ends))
    end = os.pidfd_open(child)
    relay = Relay(ends, child)
    status = left = 0
    try:
        channel.send(b"x")
        try:
            relay.run(end)
            # Without waiting for it, the child's number cannot become another process's.
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            status = 128 - status if status < 0 else status
        finally:
            left = survivors.kill_all(mark)
        relay.drain()
    except SessionEnded as ended:
        status = ended.status
    finally:
        with suppress(BrokenPipeError):
            os.write(stop, b"x")
        os.waitpid(watcher, 0)
        for fd in (stop, end, namespace):
            os.close(fd)
    if left:
        note(f"{left} process{'' if left == 1 else 'es'} of the session did not end")
    # If the container is killed, its first process ends last, since the kernel lets it wait for all others.
    if session.process.has_ended(_END if status == 128 + signal.SIGKILL else 0):
        note(f"The container {session.process.container.name} has ended")
    return status


def _refused(session: DebugSession, data: bytes) -> ContainerError:
    """Return the error for a container that was not entered. data: the reason, or nothing."""
    if session.process.has_ended():
        return session.process.gone("it ended while fpack entered it")
    return ContainerError(
        f"The container {session.process.container.name} cannot be entered",
        why=printable(data.decode("utf-8", "replace").removeprefix("!")) or "the process that entered it was killed",
        hint="run fpack as the user who runs the container; fpack doctor tells what the machine forbids",
    )
