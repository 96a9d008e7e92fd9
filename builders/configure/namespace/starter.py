"""Create the namespaces of a run, start its keeper, and end everything when fpack closes the socket."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys

from fpack.builders.sandbox import linux
from fpack.builders.sandbox.small_process import be_killed_first, receive

from .keeper import Keeper
from .messages import send


def main() -> None:
    """Serve one run. End, with everything in it, when fpack closes the socket."""
    sys.setrecursionlimit(10_000)
    channel = socket.socket(fileno=0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    be_killed_first()
    try:
        linux.unshare(linux.ALL, "namespaces")
    except OSError as error:
        send(channel, {"error": f"namespaces cannot be made: {error.strerror}"})
        return
    send(channel, {"ready": True})
    tree = _receive_tree(channel)
    # The ids are mapped now. This process was the caller's user, or root; it becomes root of the namespace.
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    linux.libc.prctl(linux.AMBIENT, 4, 0, 0, 0)
    keeper = os.fork()
    if not keeper:
        linux.libc.prctl(linux.DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
        status = 1
        try:
            Keeper(channel, tree).serve()
            status = 0
        finally:
            os._exit(status)
    end = os.pidfd_open(keeper)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    poll.register(0, 0)  # the end of the socket
    poll.poll()
    try:
        os.kill(keeper, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(keeper, 0)


def _receive_tree(channel: socket.socket) -> int:
    """Wait for fpack to map the ids. Return the descriptor that it sends: a detached linux.mount or a directory."""
    try:
        data, fds = receive(channel, 1, 1)
    except ConnectionError:
        os._exit(0)
    if not data:
        os._exit(0)
    return fds[0]
