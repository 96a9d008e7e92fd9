"""Kill what is left of a session: the processes of its mount namespace, which no other process is in.

The namespace is what marks them. A process that leaves its parent, its group or its terminal stays in the namespace.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from fpack.store import processes

_ROUNDS, _PAUSE = 200, 0.01  # a killed process needs a moment to end


def kill_all(namespace: int) -> int:
    """Kill the processes of a mount namespace. Return how many did not end. namespace: a descriptor of it."""
    left: list[int] = []
    for _ in range(_ROUNDS):
        left = list(_members(namespace))
        if not left:
            break
        for pid in left:
            _kill(pid, namespace)
        time.sleep(_PAUSE)
    return len(left)


def watch(namespace: int, others: tuple[int, ...]) -> tuple[int, int]:
    """Start a process that does this if the caller ends first. Return its pid and a descriptor that stops it by a byte.

    others: descriptors that only the caller needs.
    """
    read, write = os.pipe2(os.O_CLOEXEC)

    def wait() -> int:
        os.setsid()  # whoever kills the caller's process group does not kill this process
        os.close(write)
        for fd in others:
            os.close(fd)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.chdir("/")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        if not os.read(read, 1):
            kill_all(namespace)
        return 0

    pid = processes.fork(wait)
    os.close(read)
    return pid, write


def children(parent: int) -> Iterator[int]:
    """Yield the child processes of a process."""
    for pid in _numbers():
        with suppress(OSError, ValueError), open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            # The name of a program can hold spaces and parentheses.
            if int(file.read(4096).rpartition(b")")[2].split()[1]) == parent:
                yield pid


def _numbers() -> Iterator[int]:
    yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _members(namespace: int) -> Iterator[int]:
    for pid in _numbers():
        if _is_member(pid, namespace):
            yield pid


def _is_member(pid: int, namespace: int) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/mnt"), os.fstat(namespace))
    except OSError:
        return False


def _kill(pid: int, namespace: int) -> None:
    with suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            if _is_member(pid, namespace):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
