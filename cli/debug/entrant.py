"""Enter a container: a process that joins its namespaces, gives up all rights that it lacks, and runs the command.

It is a copy of fpack's own process, but imports nothing once it sees the container's files, which may be hostile. The
program that it becomes is a shell of the tools. Only that starts the command, so a process of the container finds none
of fpack's memory and files in the command's process: its /proc/PID/exe is a file of a read-only mount.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from fpack.builders.rootfs.relocation import PREFIX
from fpack.builders.sandbox import linux

from . import view
from .process import ContainerProcess

FAILED = 125  # the status if entering failed, as podman's
_KEEP_CAPABILITIES, _AMBIENT_RAISE = 8, 2
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_LAST_CAPABILITY = 63
_ALL = (1 << _LAST_CAPABILITY + 1) - 1
_KEYCTL = {"x86_64": 250}  # 219 on all newer architectures
_JOIN_SESSION_KEYRING = 1
_UNLOCK, _GET_PEER = 0x40045431, 0x5441  # TIOCSPTLCK, TIOCGPTPEER

# The shell forks, because only its children are in the container's process namespace. It would print how a child was
# killed, so its standard error is closed.
_SHELL = f"{PREFIX}/bin/dash"
_COMMAND = f"""{_SHELL} -c 'exec "$@"' fpack "$@" 2>&9 9>&-"""
_START = f"exec 9>&2 2>&-; (exec {PREFIX}/bin/setsid {{}} -- {_COMMAND}); exit $?"


class DebugSession(NamedTuple):
    """A command to run in a container. words, env: of the command. uid, gid, groups: its user, in the container.

    directory: the working directory. terminal: it gets a terminal. privileged: it keeps all rights in the namespaces.
    code: the system call filter; empty: none.
    """

    process: ContainerProcess
    words: Sequence[str]
    env: Mapping[str, str]
    directory: str
    uid: int
    gid: int
    groups: Sequence[int]
    terminal: bool
    privileged: bool
    code: bytes


def enter(session: DebugSession, tools: int, channel: socket.socket, parent: int) -> int:
    """In a copy of fpack's process: become the command's parent. channel: to fpack. Return only on failure.

    First send how many entries of `/` were left out, the device of the root, the mount namespace, and fpack's ends of
    the terminal or the pipes. Then wait for an answer.
    """
    try:
        _begin(parent)
        own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        _join(session)
        # From here on, an import would load the container's files.
        sys.meta_path.clear()
        sys.path.clear()
        left_out = view.build(tools, session.terminal)
        os.close(tools)
        namespace = os.open("ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=own)
        label = _label_file(session, own)
        _give_up(session)
        ends, streams = _terminal() if session.terminal else _pipes()
        _send(channel, b"%d %d" % (left_out, os.stat("/").st_dev), [namespace, *ends])
        os.close(own)
        if not channel.recv(1):
            return FAILED
    except OSError as error:
        with suppress(OSError):
            channel.send(_text(error))
        return FAILED
    try:
        _become(session, label, streams)
    except OSError as error:
        os.write(2, b"fpack: " + _text(error)[1:] + b"\n")
    return FAILED


def _text(error: Exception) -> bytes:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"!{where}{error.strerror}".encode("utf-8", "backslashreplace")
    return f"!{error}".encode("utf-8", "backslashreplace")


def _send(channel: socket.socket, data: bytes, fds: Sequence[int]) -> None:
    channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    for fd in fds:
        os.close(fd)


def _begin(parent: int) -> None:
    """Hide this process from others, and tie it to its parent."""
    os.setsid()  # keys of the terminal are for fpack
    linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
    linux.libc.prctl(linux.DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(FAILED)
    # The caller's keys are not the container's.
    linux.libc.syscall(_KEYCTL.get(os.uname().machine, 219), _JOIN_SESSION_KEYRING, None, 0, 0, 0)


def _join(session: DebugSession) -> None:
    """Enter the control groups and the namespaces, as root of the container."""
    process = session.process
    for path in process.groups:
        # A user may not enter those that only root made.
        with suppress(OSError):
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"0")
            finally:
                os.close(fd)
    if not session.privileged:
        for number, soft, hard in process.limits:
            with suppress(OSError, ValueError):
                most = resource.getrlimit(number)[1]
                hard = most if hard == resource.RLIM_INFINITY or 0 <= most < hard else hard
                soft = hard if soft == resource.RLIM_INFINITY or 0 <= hard < soft else soft
                resource.setrlimit(number, (soft, hard))
    linux.check(linux.libc.setns(process.descriptor, process.namespaces), "the container's namespaces")
    linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
    with suppress(OSError):
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    linux.unshare(linux.NEWNS, "a mount namespace")


def _label_file(session: DebugSession, own: int) -> int:
    """Return a descriptor for the label of the next program, or -1 if the container has none."""
    if not session.process.credentials.label or session.privileged:
        return -1
    return os.open("attr/exec", os.O_WRONLY | os.O_CLOEXEC, dir_fd=own)


def label_text(label: str) -> bytes:
    """Return what selects a label of a security module for the next program. AppArmor shows a profile with its mode."""
    name, bracket, _ = label.rpartition(" (")
    return f"exec {name}".encode() if bracket else label.encode()


def _give_up(session: DebugSession) -> None:
    """Become the user, with no more capabilities than the container's processes can get."""
    credentials = session.process.credentials
    bounding = _ALL if session.privileged else credentials.bounding
    for number in range(_LAST_CAPABILITY + 1):
        if not bounding >> number & 1:
            linux.libc.prctl(linux.DROP_BOUND, number, 0, 0, 0)
    with suppress(PermissionError):  # nobody in the container may change groups either
        os.setgroups(list(session.groups))
    if not session.uid:
        os.setresgid(session.gid, session.gid, session.gid)
        os.setresuid(0, 0, 0)
        if not session.privileged:
            _set_capabilities(bounding, 0)
    else:
        ambient = credentials.ambient & bounding
        linux.libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
        os.setresgid(session.gid, session.gid, session.gid)
        os.setresuid(session.uid, session.uid, session.uid)
        _set_capabilities(ambient, ambient)
        for number in range(_LAST_CAPABILITY + 1):
            if ambient >> number & 1:
                linux.check(linux.libc.prctl(linux.AMBIENT, _AMBIENT_RAISE, number, 0, 0), "capabilities")
    # A change of user clears this.
    linux.libc.prctl(linux.DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)


def _set_capabilities(wanted: int, inheritable: int) -> None:
    """Keep those of `wanted` that this process has."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()
    linux.check(linux.libc.capget(header, sets), "capabilities")
    kept = wanted & (sets[1] | sets[4] << 32)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    passed = inheritable & kept
    sets = (ctypes.c_uint32 * 6)(low, low, passed & 0xFFFFFFFF, high, high, passed >> 32)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    linux.check(linux.libc.capset(header, sets), "capabilities")


def _terminal() -> tuple[list[int], list[int]]:
    """Return fpack's end of a new terminal, and the command's as its three streams."""
    master = os.open(f"{view.TERMINALS}/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _UNLOCK, b"\0\0\0\0")
    slave = fcntl.ioctl(master, _GET_PEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return [master], [slave] * 3


def _pipes() -> tuple[list[int], list[int]]:
    """Return fpack's ends of three pipes, which belong to the command's user, and the command's ends."""
    pairs = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    return [pairs[0][1], pairs[1][0], pairs[2][0]], [pairs[0][0], pairs[1][1], pairs[2][1]]


def _become(session: DebugSession, label: int, streams: Sequence[int]) -> None:
    """Become the shell that starts the command."""
    if label >= 0:
        os.write(label, label_text(session.process.credentials.label))
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    os.closerange(3, 1 << 20)
    # No descriptor is left that leads to a directory, and /proc/self is not this process there.
    for path in (session.directory, "/"):
        with suppress(OSError):
            os.chdir(path)
            break
    os.umask(0o022)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    words = [_SHELL, "-c", _START.format("-c" if session.terminal else ""), "fpack"]
    if not session.privileged:
        linux.check(linux.libc.prctl(linux.NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")
    if session.code:
        linux.apply_filter(session.code)
    os.execve(words[0], [*words, *session.words], dict(session.env))
