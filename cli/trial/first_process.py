"""Become process 1 of the sandbox of a trial, and start the command as its child.

When process 1 ends, the kernel kills all other processes of the sandbox.

The command shares fpack's terminal, or takes it until its end. It has the rights of maintainer scripts.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
from contextlib import suppress

from fpack.builders.configure.namespace.command import give_up, seal
from fpack.builders.sandbox import landlock, linux, observer
from fpack.store import processes
from fpack.store.errors import one_line

from .model import SandboxUsers, Trial

# Signals that stand for SIGINT, which the terminal also sends, and for the signal that stops the command.
INTERRUPT, STOP = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
PASSED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, INTERRUPT, STOP)
KEYS = (signal.SIGINT, signal.SIGQUIT)  # the terminal sends them to all processes
NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 125
_SHM_SIZE = 1 << 30  # bytes of /dev/shm


def become(trial: Trial, users: SandboxUsers, code: bytes, watch: bytes, tell: socket.socket) -> int:
    """Isolate this process, start the command, and return its exit status.

    code: the system call filter. watch: the observer's filter; empty: do not observe. tell: receives its listener.
    """
    linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
    linux.libc.prctl(linux.DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    for number in (*KEYS, *PASSED):
        signal.signal(number, signal.SIG_IGN)
    try:
        linux.unshare(linux.NEWNS, "a mount namespace")
        _mount_kernel()
        if landlock.can_refuse_abstract_sockets():
            landlock.refuse_abstract_sockets()
        give_up(code)
    except OSError as error:
        os.write(2, f"fpack: the sandbox cannot be made: {error.filename or ''} {error.strerror}\n".encode())
        return FAILED
    kept = tell.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 16)
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    meanings = {INTERRUPT: signal.SIGINT, STOP: trial.stop}
    command = processes.fork(lambda: _become_command(trial, users, watch, tell))
    tell.close()

    def forward(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(command, meanings.get(number, number))

    for number in PASSED:
        signal.signal(number, forward)
    while True:
        # Nobody could continue a command that has the terminal: the caller's shell sees only fpack.
        pid, status = os.waitpid(-1, os.WUNTRACED if trial.takes_terminal else 0)
        if os.WIFSTOPPED(status):
            os.kill(pid, signal.SIGCONT)
        elif pid == command:
            ended = os.waitstatus_to_exitcode(status)
            return ended if ended >= 0 else 128 - ended


def _mount_kernel() -> None:
    """Mount the kernel's file systems in the tree, and make the tree the root."""
    linux.mount("proc", "/merged/proc", "proc", linux.DATA)
    linux.mount("/dev", "/merged/dev", None, linux.RECURSIVE_BIND)
    linux.mount_tmpfs("/merged/dev/shm", f"mode=1777,size={_SHM_SIZE}")
    with suppress(OSError):  # without it, programs cannot open further terminals
        linux.mount("none", "/merged/dev/pts", "devpts", linux.NOSUID, "newinstance,ptmxmode=0666,mode=0620")
    linux.pivot_root("/merged")
    seal()


def _become_command(trial: Trial, users: SandboxUsers, watch: bytes, tell: socket.socket) -> int:
    for number in (*KEYS, *PASSED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if trial.takes_terminal:
        # A shell needs a process group that has a number in its process namespace.
        os.setpgid(0, 0)
        take_terminal()
    try:
        os.chdir(trial.directory)
        if not users.single:
            os.setresgid(trial.gid, trial.gid, trial.gid)
            os.setresuid(trial.uid, trial.uid, trial.uid)
    except OSError as error:
        os.write(2, f"fpack: {trial.directory}: {error.strerror}\n".encode("utf-8", "backslashreplace"))
        return FAILED
    if watch:
        _send_listener(watch, tell)
    tell.close()
    try:
        os.execvpe(trial.words[0], list(trial.words), dict(trial.env))
    except OSError as error:
        word = one_line(trial.words[0])
        text = f"fpack: {word}: {error.strerror}"
        if isinstance(error, FileNotFoundError) and not shutil.which(trial.words[0], path=trial.env["PATH"]):
            text = f"error: The image has no program {word}"
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def take_terminal() -> None:
    """Make this process's group the one that the terminal, if it is still there, sends keys to."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with suppress(OSError):
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        os.tcsetpgrp(fd, os.getpgrp())
        os.close(fd)
    signal.signal(signal.SIGTTOU, before)


def _send_listener(watch: bytes, tell: socket.socket) -> None:
    """Let the keeper observe this process from now on, or tell it why it cannot."""
    try:
        listener = observer.install(watch)
    except observer.CannotObserve as error:
        tell.send(str(error).encode())
        return
    socket.send_fds(tell, [b"o"], [listener])
    os.close(listener)
