"""Kill what is left of a session: the processes that see its root, which no other process does.

A process that leaves its parent, its group or its terminal stays in the session's mount namespace, or in a copy of it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from fpack.store import processes

_ROUNDS, _PAUSE = 200, 0.01  # a killed process needs a moment to end
_MOST = 1 << 16  # bytes of a table of mounts, in which `/` is among the first


class Mark(NamedTuple):
    """The marks of the processes of a session. namespace: a descriptor of its mount namespace. root: the device of `/`.

    A process with the right to mount may leave the namespace, but in a copy of it, `/` has the same device.
    """

    namespace: int
    root: int


def kill_all(mark: Mark) -> int:
    """Kill the processes of a session. Return how many did not end."""
    left: list[int] = []
    for _ in range(_ROUNDS):
        left = list(_members(mark))
        if not left:
            break
        for pid in left:
            _kill(pid, mark)
        time.sleep(_PAUSE)
    return len(left)


def watch(mark: Mark, others: tuple[int, ...]) -> tuple[int, int]:
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
            kill_all(mark)
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


def _members(mark: Mark) -> Iterator[int]:
    for pid in _numbers():
        if _is_member(pid, mark):
            yield pid


def _is_member(pid: int, mark: Mark) -> bool:
    try:
        if os.path.samestat(os.stat(f"/proc/{pid}/ns/mnt"), os.fstat(mark.namespace)):
            return True
        # The root itself may be of a file system that does not answer.
        with open(f"/proc/{pid}/mountinfo", "rb", buffering=0) as file:
            mounts = file.read(_MOST)
    except OSError:
        return False
    return f" {os.major(mark.root)}:{os.minor(mark.root)} / / ".encode() in mounts


def _kill(pid: int, mark: Mark) -> None:
    with suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            if _is_member(pid, mark):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
