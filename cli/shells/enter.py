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
    child = os.fork()
    if child == 0:
        _execute(bwrap, args, words, env, tell, held)
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
    child = os.fork()
    if child == 0:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, fd in enumerate((nothing, output, output)):
            os.dup2(fd, number)
        _execute(bwrap, args, words, env, tell)
    return child


def _execute(
    bwrap: str, args: Sequence[str], words: Sequence[str], env: Mapping[str, str], tell: int, held: int = -1
) -> None:
    """In the child: become bubblewrap. Does not return."""
    try:
        for number in (*_IGNORED, *_PASSED, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        info: list[str] = []
        if tell >= 0:
            os.set_inheritable(tell, True)
            info = ["--info-fd", str(tell)]
        if held >= 0:
            # Far from the numbers that programs choose.
            kept = fcntl.fcntl(held, fcntl.F_DUPFD, _HELD)
            if "--unshare-pid" in args:
                info += ["--sync-fd", str(kept)]  # the first process of the container has it, no other
        info += ["--seccomp", str(terminal.open_filter()), "--args", str(_open_variables(env))]
        # Without variables of its own: those of a project would have the loader run a library in it, on the host.
        os.execve(bwrap, ["bwrap", *info, *args, "--", *words], {})
    except OSError as error:
        os.write(2, f"error: {bwrap} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _open_variables(env: Mapping[str, str]) -> int:
    """A descriptor from which bubblewrap reads the command's variables: on its command line, others could see them."""
    fd = os.memfd_create("variables", 0)
    data = os.fsencode("".join(f"--setenv\0{name}\0{value}\0" for name, value in env.items()))
    while data:
        data = data[os.write(fd, data) :]
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
