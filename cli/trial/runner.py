"""Run a command on the files of an image, in the sandbox of maintainer scripts: namespaces, ids, system call filter.

Four processes share the work, all of them copies of fpack's own, which waits: the keeper (keeper.py), process 1 of the
sandbox, the command (first_process.py), and one that binds ports with the caller's rights (ports.py).
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from fpack.builders.configure.ids import IdMaps, id_maps, write_maps
from fpack.builders.sandbox import idmap, observer
from fpack.builders.sandbox.bwrap import SandboxError, forbidden
from fpack.builders.sandbox.seccomp import build_filter
from fpack.cli.shells.sandbox import attendance
from fpack.store import processes

from . import first_process, streams
from .first_process import INTERRUPT, KEYS, PASSED, STOP
from .keeper import TrialKeeper
from .model import SandboxUsers, Trial, TrialEnd
from .ports import PortMap

_PATIENCE = 1  # seconds between Ctrl-C and the signal that stops the command
_MAX_REPORT = (observer.MAX_LENGTH + 1) * (observer.MAX_NAMES + 1)


def run(trial: Trial, observe: bool = True) -> TrialEnd:
    """Run a command to its end. Raise SandboxError if the machine does not allow it."""
    code = build_filter(set_id=True, tracing=trial.tracing)
    watch, unobserved = b"", ""
    try:
        watch = observer.build_filter(names=observe, binds=True)
    except observer.CannotObserve as error:
        unobserved = str(error) if observe else ""
    with _users(trial) as users, streams.pipes() as files:
        trees = _trees(trial, users)
        # The image's user may not reach the emulator's path; opened here, it needs no path.
        emulator = os.open(trial.emulator[1], os.O_RDONLY | os.O_CLOEXEC) if trial.emulator else -1
        report, tell = os.pipe2(os.O_CLOEXEC)
        asked, ask = socket.socketpair()
        processes.hide_inherited()
        with attendance.terminals(users.outside) if users.outside else nullcontext():
            before = {number: signal.signal(number, signal.SIG_IGN) for number in (*KEYS, *PASSED, signal.SIGALRM)}
            parent = os.getpid()
            terminal = _has_terminal()
            trial = trial._replace(takes_terminal=terminal and trial.takes_terminal)
            binder = processes.fork(lambda: _bind_ports(trial.ports, asked, ask, (report, tell, *trees)))
            asked.close()
            child = processes.fork(
                lambda: TrialKeeper(trial, users, trees, code, watch, observe, tell, ask, emulator).keep(parent)
            )
            ask.close()
            os.close(tell)
            for fd in (*trees, *([emulator] if trial.emulator else [])):
                os.close(fd)
            try:
                signals = _handle_signals(child, trial.stop, terminal)
                text = streams.copy(report, files, _MAX_REPORT)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                os.waitpid(binder, 0)
            finally:
                os.close(report)
                signal.alarm(0)
                if trial.takes_terminal:
                    first_process.take_terminal()
                for number, handler in before.items():
                    signal.signal(number, handler)
    return _ended(status, text, unobserved, bool(signals))


def _bind_ports(ports: PortMap, asked: socket.socket, ask: socket.socket, others: Iterable[int]) -> int:
    """In a process of its own: bind ports until the keeper ends. others: descriptors that only other processes need."""
    ask.close()
    for fd in others:
        os.close(fd)
    return ports.serve(asked)


def _ended(status: int, text: bytes, unobserved: str, signalled: bool) -> TrialEnd:
    reason, _, rest = text.partition(b"\0")
    kind, _, why = reason.decode("utf-8", "replace").partition(" ")
    if kind == "error":
        raise SandboxError("The sandbox cannot be made", why=why)
    absent = tuple(name for name in rest.split(b"\0") if name.startswith(b"/"))
    return TrialEnd(128 - status if status < 0 else status, absent, unobserved or why, signalled)


def _handle_signals(child: int, stop: int, terminal: bool) -> list[int]:
    """Pass signals on to the command. Return a list of those that have come, which grows.

    stop: as in Trial; after Ctrl-C, end the command by it, and then kill it. terminal: a terminal sends Ctrl-C to the
    command.
    """
    came: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        came.append(number)
        if stop and came.count(number) > 1:
            forward(signal.SIGKILL, frame)
            return
        if not terminal:
            forward(INTERRUPT, frame)
        if stop:
            signal.alarm(_PATIENCE)

    def forward(number: int, frame: object) -> None:
        came.append(number)
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in PASSED:
        signal.signal(number, forward)
    signal.signal(signal.SIGALRM, lambda number, frame: forward(STOP, frame))
    signal.signal(signal.SIGINT, interrupt)
    return came


def _has_terminal() -> bool:
    """Return whether a terminal sends Ctrl-C to this process and all that it starts."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    finally:
        os.close(fd)


@contextmanager
def _users(trial: Trial) -> Iterator[SandboxUsers]:
    """Hold the users of a sandbox: a range of the machine's, or without one, the caller as the command's user."""
    with _maps(trial) as (maps, single):

        def write(pid: int) -> None:
            if single:
                Path(f"/proc/{pid}/setgroups").write_text("deny", "ascii")
            write_maps(pid, maps)

        try:
            fd = idmap.user_namespace(write)
        except idmap.BindError as error:
            raise forbidden(str(error)) from None
        try:
            outside = maps.uids[0][1] + trial.uid if os.geteuid() == 0 else 0
            yield SandboxUsers(fd, single, outside)
        finally:
            os.close(fd)


@contextmanager
def _maps(trial: Trial) -> Iterator[tuple[IdMaps, bool]]:
    try:
        held = id_maps(lambda: None)
        maps = held.__enter__()
    except SandboxError:
        if os.geteuid() == 0:
            raise
        uids, gids = ((trial.uid, os.getuid(), 1),), ((trial.gid, os.getgid(), 1),)
        yield IdMaps(uids, gids, False), True
        return
    try:
        yield maps, False
    finally:
        held.__exit__(None, None, None)


def _trees(trial: Trial, users: SandboxUsers) -> list[int]:
    """Return detached mounts of the sources, if only root can make them; else nothing, and the keeper makes them."""
    if os.geteuid() != 0:
        return []
    try:
        return [idmap.detached(source, users.namespace) for source in trial.tree.sources]
    except idmap.BindError as error:
        raise SandboxError(
            "The image's files cannot be made accessible to another user",
            why=str(error),
            hint="run fpack as another user than root, or keep the store on another file system",
        ) from None
