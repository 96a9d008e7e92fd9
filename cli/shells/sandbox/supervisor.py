"""Run a shell's plan: start bubblewrap with the command, and pass on signals and the exit status.

bubblewrap waits for the command in a process of its own, which Ctrl-C kills before the command has decided how to
react. So this module waits for the command itself: a process without a parent is adopted by this process.
"""

from __future__ import annotations

# The module `signal` takes a millisecond to be imported.
import _signal as signal  # type: ignore[import-not-found]
import errno
import fcntl
import os
from collections.abc import Callable, Mapping

from fpack.builders.sandbox.isolation import encode
from fpack.store import processes

from .launch import Launch
from .plan import Plan

_SET_CHILD_SUBREAPER = 36
# Signals to pass on to the command. The terminal sends the others to the whole foreground group itself.
_PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_HELD = 200
_IGNORED = (signal.SIGINT, signal.SIGQUIT)
_DEFAULT = (*_IGNORED, *_PASSED, signal.SIGPIPE)  # their default actions are restored in bubblewrap


class Failed(Exception):
    """bubblewrap could not set up the shell, and has reported the reason on stderr."""


def run(launch: Launch, held: int = -1) -> int:
    """Run a command in a sandbox. Return its exit status, or 128 + N for signal N. Raise Failed if there was no
    sandbox.

    held: descriptor that stays open as long as any process of the sandbox runs, whatever happens to this process.
    """
    _adopt_orphans()
    before = {number: signal.getsignal(number) for number in (*_IGNORED, *_PASSED)}
    # Signals of the terminal keep their usual effect only while Python starts up and cleans up.
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        if not launch.helper and not launch.outside and not launch.plan.isolation.closed:
            return _supervise(launch, held)
        from .attendance import terminals

        # The command may reopen them at once.
        with terminals(launch.outside):
            return _supervise(launch, held)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _supervise(launch: Launch, held: int) -> int:
    # A signal is kept until the command's pid is known: the command may run by then, and without the signal, which only
    # ends bubblewrap, it would go on.
    early: list[int] = []
    child = 0

    def keep(number: int, frame: object) -> None:
        # A second signal ends bubblewrap, which may hang, such as in a mount of a server that does not answer.
        if number in early and number in _ENDING and child:
            _passer(child)(number, None)
        early.append(number)

    for number in _PASSED:
        signal.signal(number, keep)
    told, tell = os.pipe2(os.O_CLOEXEC)
    gate, open_gate = os.pipe2(os.O_CLOEXEC) if launch.helper else (-1, -1)
    child = _spawn(launch, tell, held, gate)
    os.close(tell)
    try:
        command = told_command(told)
        send = _passer(command or child)
        for number in _PASSED:
            signal.signal(number, send)
        for number in early:
            send(number, None)
        if not launch.helper:
            return _code(_end(child, command))
        from .attendance import network

        os.close(gate)
        with network(launch, command, open_gate):
            return _code(_end(child, command))
    finally:
        os.close(told)


def start(launch: Launch, output: int, tell: int = -1) -> int:
    """Start a command in a sandbox and a new session, with its output going to a descriptor. Return bubblewrap's pid.

    tell: end of a pipe to which bubblewrap writes the data that `told_command` reads.
    """
    return _spawn(launch, tell, output=output)


def _spawn(launch: Launch, tell: int, held: int = -1, gate: int = -1, output: int = -1) -> int:
    """Start bubblewrap. Return its pid, or that of a process that fails. output: descriptor of its outputs, in a new
    session.
    """
    isolation = launch.plan.isolation
    if isolation.closed:
        processes.hide_inherited()
    opened = [os.open(launch.filter_file, os.O_RDONLY), _open_variables(launch.env)]
    for fd in opened:
        os.set_inheritable(fd, True)
    info = ["--as-pid-1"] if launch.init else []
    for option, fd in (("--info-fd", tell), ("--block-fd", gate)):
        if fd >= 0:
            os.set_inheritable(fd, True)
            info += [option, str(fd)]
    if held >= 0 and isolation.closed:
        from .attendance import hold

        opened.append(hold(held))
        os.set_inheritable(opened[-1], True)
        info += ["--sync-fd", str(opened[-1])]  # only the first process of the container has it
    elif held >= 0:
        # A number far from those that programs choose.
        opened.append(fcntl.fcntl(held, fcntl.F_DUPFD, _HELD))
    streams: list[int] = []
    if output >= 0:
        opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        streams = [opened[-1], output, output]

    def words(plan: Plan) -> list[str]:
        return [*info, *plan.args(opened[0]), "--args", str(opened[1]), "--", *launch.words]

    try:
        if launch.emulator or launch.outside or (isolation.closed and isolation.network):
            from . import restrain

            return processes.fork(lambda: restrain.become_bwrap(launch, words, streams, _DEFAULT))
        return processes.spawn(
            "bwrap", words(launch.plan), program=launch.bwrap, streams=streams, signals=_DEFAULT, session=output >= 0
        )
    except OSError as error:
        os.write(output if output >= 0 else 2, f"error: {launch.bwrap} cannot be run: {error.strerror}\n".encode())
        return processes.fork(lambda: 126)
    finally:
        for fd in opened:
            os.close(fd)


def _open_variables(env: Mapping[str, str]) -> int:
    """Return a descriptor from which bubblewrap reads the command's variables, as arguments that `ps` does not show.

    Only the command gets them: bubblewrap runs outside of the sandbox, and a variable such as LD_PRELOAD, which a
    project's shell may set, would make it execute a file there.
    """
    fd = os.memfd_create("variables", 0)
    os.write(fd, encode(word for name, value in env.items() if name for word in ("--setenv", name, value)))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _passer(pid: int) -> Callable[[int, object], None]:
    def send(number: int, frame: object) -> None:
        if number != signal.SIGWINCH:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    return send


def told_command(told: int) -> int:
    """Return the pid of the command, from bubblewrap's information, or 0 if it was not started."""
    data = b""
    while chunk := os.read(told, 4096):
        data += chunk
        if b"}" in chunk:
            break
    digits = data.partition(b'"child-pid":')[2].partition(b",")[0].partition(b"}")[0].strip()
    return int(digits) if digits.isdigit() else 0


def _end(child: int, command: int) -> int:
    """Wait for bubblewrap and its command. Return the wait status of the command. Raise Failed if there was no
    command.
    """
    ended: dict[int, int] = {}
    status = _wait(child, ended)
    if not command:
        raise Failed
    if os.WIFSIGNALED(status):
        # bubblewrap was killed, and the command still runs.
        try:
            status = _wait(command, ended)
        except ChildProcessError:
            pass
    return status


def _wait(pid: int, ended: dict[int, int]) -> int:
    """Wait for a process. Record others that end meanwhile in `ended`, so that none stays a zombie."""
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
