"""Run a plan: bubblewrap with the command in it, its signals and its exit status passed on.

bubblewrap waits for the command in a process of its own, which Ctrl-C ends before the command has decided what to do
about it. So the command's end is what counts here: whoever is left without a parent comes to this process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence

from fpack.store import processes

from . import terminal

_SET_CHILD_SUBREAPER = 36
# What is passed on to the command; the terminal sends the others to all of the foreground itself.
_PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
_HELD = 200
_IGNORED = (signal.SIGINT, signal.SIGQUIT)


class Failed(Exception):
    """bubblewrap could not set the shell up, and has said why on stderr."""


def run(bwrap: str, args: Sequence[str], words: Sequence[str], env: Mapping[str, str], held: int = -1) -> int:
    """Run `words` in a sandbox; the exit status, 128 + N for the signal N. Failed if there was no sandbox.

    held: an open file that stays open as long as anything of it runs, whatever becomes of this process.
    """
    told, tell = os.pipe2(os.O_CLOEXEC)
    _adopt_orphans()
    # While Python starts up, or cleans up, a signal of the terminal's has the usual effect.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
    child = _spawn(bwrap, args, words, env, tell, held)
    os.close(tell)
    passed = {number: signal.signal(number, _passer(child)) for number in _PASSED}
    try:
        command = told_command(told)
        if command:
            for number in _PASSED:
                signal.signal(number, _passer(command))
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
        return _code(status)
    finally:
        os.close(told)
        for number, handler in {**before, **passed}.items():
            signal.signal(number, handler)


def start(
    bwrap: str, args: Sequence[str], words: Sequence[str], env: Mapping[str, str], output: int, tell: int = -1
) -> int:
    """Start `words` in a sandbox and a session of its own, its output going to an open file; bubblewrap's process.

    tell: a pipe's end to which bubblewrap writes what `told_command` reads.
    """
    return _spawn(bwrap, args, words, env, tell, output=output)


def _spawn(
    bwrap: str,
    args: Sequence[str],
    words: Sequence[str],
    env: Mapping[str, str],
    tell: int,
    held: int = -1,
    output: int = -1,
) -> int:
    """Start bubblewrap; its process, or one that fails. output: where its outputs go, in a session of its own."""
    opened = [terminal.open_filter(), _open_variables(env)]
    info = ["--seccomp", str(opened[0]), "--args", str(opened[1])]
    if tell >= 0:
        os.set_inheritable(tell, True)
        info += ["--info-fd", str(tell)]
    if held >= 0:
        # Far from the numbers that programs choose.
        opened.append(fcntl.fcntl(held, fcntl.F_DUPFD, _HELD))
        if "--unshare-pid" in args:
            info += ["--sync-fd", str(opened[-1])]  # the first process of the container has it, no other
    streams = []
    if output >= 0:
        opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        streams = [opened[-1], output, output]
    try:
        return processes.spawn(
            "bwrap",
            [*info, *args, "--", *words],
            program=bwrap,
            streams=streams,
            signals=(*_IGNORED, *_PASSED, signal.SIGPIPE),
            session=output >= 0,
        )
    except OSError as error:
        os.write(output if output >= 0 else 2, f"error: {bwrap} cannot be run: {error.strerror}\n".encode())
        return processes.fork(lambda: 126)
    finally:
        for fd in opened:
            os.close(fd)


def _open_variables(env: Mapping[str, str]) -> int:
    """A descriptor from which bubblewrap reads the command's variables, as arguments that nobody sees in a list.

    They are the command's alone: bubblewrap runs outside of the sandbox, and a variable such as LD_PRELOAD, which a
    project's shell may set, would have it execute a file there.
    """
    fd = os.memfd_create("variables", 0)
    words = (b"--setenv\0%b\0%b\0" % (os.fsencode(name), os.fsencode(value)) for name, value in env.items() if name)
    os.write(fd, b"".join(words))
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
