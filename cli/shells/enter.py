"""Run a plan: bubblewrap with the command in it, its signals and its exit status passed on.

bubblewrap waits for the command in a process of its own, which Ctrl-C ends before the command has decided what to do
about it. So the command's end is what counts here: whoever is left without a parent comes to this process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from fpack.builders.sandbox.isolation import filter_of
from fpack.store.errors import FpackError

from .plan import Plan

_SET_CHILD_SUBREAPER = 36
# What is passed on to the command; the terminal sends the others to all of the foreground itself.
_PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
_HELD = 200
_IGNORED = (signal.SIGINT, signal.SIGQUIT)


class Failed(Exception):
    """bubblewrap could not set the shell up, and has said why on stderr."""


class Launch(NamedTuple):
    """A command to run in a sandbox. words, env: of the command. init: it is process 1 of the sandbox.

    outside: for root's sandboxes, the user that the sandbox's processes are on the machine; 0: they are the caller's.
    helper: the program that attaches the machine's network, or empty. ports: of 127.0.0.1 that it reaches there too.
    """

    bwrap: str
    plan: Plan
    words: tuple[str, ...]
    env: Mapping[str, str]
    init: bool = False
    outside: int = 0
    helper: str = ""
    ports: tuple[int, ...] = ()


def run(launch: Launch, held: int = -1) -> int:
    """Run a command in a sandbox; the exit status, 128 + N for the signal N. Failed if there was no sandbox.

    held: an open file that stays open as long as anything of it runs, whatever becomes of this process.
    """
    told, tell = os.pipe2(os.O_CLOEXEC)
    _adopt_orphans()
    # While Python starts up, or cleans up, a signal of the terminal's has the usual effect.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
    gate, open_gate = os.pipe2(os.O_CLOEXEC) if launch.helper else (-1, -1)
    child = os.fork()
    if child == 0:
        _execute(launch, tell, held, gate)
    os.close(tell)
    passed = {number: signal.signal(number, _passer(child)) for number in _PASSED}
    try:
        command = told_command(told)
        if command:
            for number in _PASSED:
                signal.signal(number, _passer(command))
        with _network(launch, command, gate, open_gate), _terminals(launch.outside):
            return _code(_end(child, command))
    finally:
        os.close(told)
        for number, handler in {**before, **passed}.items():
            signal.signal(number, handler)


def start(launch: Launch, output: int, tell: int = -1) -> int:
    """Start a command in a sandbox and a session of its own, its output going to an open file; bubblewrap's process.

    tell: a pipe's end to which bubblewrap writes what `told_command` reads.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, fd in enumerate((nothing, output, output)):
            os.dup2(fd, number)
        _execute(launch, tell)
    return child


def _execute(launch: Launch, tell: int, held: int = -1, gate: int = -1) -> None:
    """In the child: become bubblewrap. Does not return."""
    try:
        for number in (*_IGNORED, *_PASSED, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        plan = launch.plan
        info: list[str] = ["--as-pid-1"] if launch.init else []
        for option, fd in (("--info-fd", tell), ("--block-fd", gate)):
            if fd >= 0:
                os.set_inheritable(fd, True)
                info += [option, str(fd)]
        if held >= 0:
            # Far from the numbers that programs choose.
            kept = fcntl.fcntl(held, fcntl.F_DUPFD, _HELD)
            if plan.isolation.closed:
                info += ["--sync-fd", str(kept)]  # the first process of the container has it, no other
        bwrap = launch.bwrap
        if launch.outside:
            from . import stage

            bwrap, plan = stage.enter(bwrap, plan, launch.outside)
        if plan.isolation.closed and plan.isolation.network:
            from fpack.builders.sandbox import landlock

            if landlock.can_refuse_abstract_sockets():
                landlock.refuse_abstract_sockets()
        args = plan.args(_open_filter(plan))
        os.execve(bwrap, ["bwrap", *info, *args, "--", *launch.words], dict(launch.env))
    except OSError as error:
        os.write(2, f"error: {launch.bwrap} cannot be run: {error.strerror}\n".encode())
    except FpackError as error:
        os.write(2, f"error: {error.what}: {error.why}\n".encode())
    finally:
        os._exit(126)


def _open_filter(plan: Plan) -> int:
    """Return a descriptor from which bubblewrap reads the filter; a program that is executed has it too."""
    fd = os.memfd_create("filter", 0)
    os.write(fd, filter_of(plan.isolation))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _passer(pid: int) -> signal._HANDLER:
    def send(number: int, frame: object) -> None:
        if number != signal.SIGWINCH:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    return send


def told_command(told: int) -> int:
    """The number of the process that runs the command, by what bubblewrap tells; 0 if it did not come to that."""
    data = b""
    while chunk := os.read(told, 4096):
        data += chunk
        if b"}" in chunk:
            break
    digits = data.partition(b'"child-pid":')[2].partition(b",")[0].partition(b"}")[0].strip()
    return int(digits) if digits.isdigit() else 0


def _end(child: int, command: int) -> int:
    """Wait for bubblewrap and its command; the wait status that counts. Failed if there was no command."""
    ended: dict[int, int] = {}
    status = _wait(child, ended)
    if not command:
        raise Failed
    if os.WIFSIGNALED(status):
        # bubblewrap is gone, and what it ran is still there.
        try:
            status = _wait(command, ended)
        except ChildProcessError:
            pass
    return status


@contextmanager
def _network(launch: Launch, command: int, gate: int, open_gate: int) -> Iterator[None]:
    """Attach the network of a container, and let its command begin."""
    if not launch.helper:
        yield
        return
    from . import network

    os.close(gate)
    try:
        helper = None
        if command:
            try:
                helper = network.attach(launch.helper, command, launch.outside, launch.ports)
            except network.NotAttached as error:
                # A machine that is offline has no network to attach.
                os.write(2, f"fpack: this container reaches no other machine: {error}\n".encode())
        os.write(open_gate, b"x")
        try:
            yield
        finally:
            if helper:
                helper.end()
    finally:
        os.close(open_gate)


@contextmanager
def _terminals(outside: int) -> Iterator[None]:
    """Let the sandbox's user open the terminal and the pipes of the caller anew, as /dev/stderr and /dev/tty do."""
    taken = []
    if outside:
        for fd in (0, 1, 2):
            try:
                status = os.fstat(fd)
                pipe = stat.S_ISFIFO(status.st_mode) and os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
                if status.st_uid == 0 and (pipe or os.isatty(fd)):
                    os.fchown(fd, outside, -1)
                    taken.append((fd, status))
            except OSError:
                continue
    try:
        yield
    finally:
        for fd, status in taken:
            with suppress(OSError):
                os.fchown(fd, status.st_uid, -1)
                os.fchmod(fd, stat.S_IMODE(status.st_mode))


def _wait(pid: int, ended: dict[int, int]) -> int:
    """Wait for a process; others that end meanwhile are noted in `ended`, so that none stays as a zombie."""
    while pid not in ended:
        one, status = os.waitpid(-1, 0)
        ended[one] = status
    return ended[pid]


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _adopt_orphans() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
        raise OSError(ctypes.get_errno(), "prctl")
