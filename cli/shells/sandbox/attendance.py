"""Attend a sandbox while it runs: its network, and the terminal and pipes that its user shares with the caller."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fpack.store import processes

from .launch import Launch


@contextmanager
def network(launch: Launch, command: int, gate: int) -> Iterator[None]:
    """Attach the network of a container, and let its command begin. command: its process, or 0. gate: it waits here."""
    if not launch.helper:
        yield
        return
    from . import network

    helper = None
    try:
        if command:
            try:
                helper = network.attach(launch.helper, command, launch.outside, launch.ports)
            except network.NotAttached as error:
                # A machine that is offline has no network to attach.
                os.write(2, f"fpack: this container reaches no other machine: {error}\n".encode())
        os.write(gate, b"x")
        yield
    finally:
        os.close(gate)
        if helper:
            helper.end()


@contextmanager
def terminals(outside: int) -> Iterator[None]:
    """Let the sandbox's user open the caller's terminal and pipes anew, as with /dev/stderr and /dev/tty.

    outside: the user, on the machine; 0: the caller, who can. Set back the owner and the mode at the end: a program in
    the sandbox may have opened the terminal to every user of the machine.
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
    """Return a pipe's end; another process keeps `file` open for as long as anybody has this end, and then ends.

    A program in a container can open what its first process has open anew, with all the rights of the file's owner, and
    so change the mode of a lock of the store. A pipe shows nothing of the machine.
    """
    read, write = os.pipe2(os.O_CLOEXEC)

    def wait() -> int:
        os.setsid()  # what ends the terminal's programs does not end this one
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
