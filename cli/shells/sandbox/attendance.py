"""Attend a running sandbox: its network, and the terminal and pipes that its user shares with the caller."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fpack.store import processes

from .launch import Launch


@contextmanager
def network(launch: Launch, command: int, gate: int) -> Iterator[None]:
    """Attach a container's network, then let its command begin.

    command: pid of the command, or 0. gate: descriptor on which the command waits.
    """
    from . import network

    helper = None
    try:
        if command:
            try:
                helper = network.attach(launch.helper, command, launch.outside, launch.ports)
            except network.NotAttached as error:
                # A machine that is offline has no network to attach.
                os.write(2, f"fpack: this container cannot reach other machines: {error}\n".encode())
        os.write(gate, b"x")
        yield
    finally:
        os.close(gate)
        if helper:
            helper.end()


@contextmanager
def terminals(outside: int) -> Iterator[None]:
    """Let the sandbox's user reopen the caller's terminal and pipes, for example as /dev/stderr and /dev/tty.

    outside: the user on the machine; 0: the caller, who can already reopen them. Owner and mode are restored at the
    end: a program in the sandbox may have opened the terminal to every user of the machine.
    """
    taken = []
    for fd in (0, 1, 2):
        with suppress(OSError):
            status = os.fstat(fd)
            pipe = stat.S_ISFIFO(status.st_mode) and os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
            if status.st_uid == os.geteuid() and (pipe or os.isatty(fd)):
                if outside:
                    os.fchown(fd, outside, -1)
                taken.append((fd, status))
    try:
        yield
    finally:
        for fd, status in taken:
            with suppress(OSError):
                if outside:
                    os.fchown(fd, status.st_uid, -1)
                os.fchmod(fd, stat.S_IMODE(status.st_mode))


def hold(file: int) -> int:
    """Return one end of a pipe. A helper process keeps `file` open until nobody has this end any more.

    A program in a container can reopen the files of the container's first process, with the rights of their owner, and
    so change the mode of a lock in the store. A pipe gives access to nothing.
    """
    read, write = os.pipe2(os.O_CLOEXEC)

    def wait() -> int:
        os.setsid()  # signals of the terminal must not end the helper
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in (file, read):
                with suppress(OSError):
                    os.close(int(name))
        while os.read(read, 4096):
            pass
        return 0

    processes.fork(wait)
    os.close(read)
    return write
