"""Become the first process of a command: isolated, without privileges that it does not need."""

from __future__ import annotations

import base64
import ctypes
import errno
import os
import resource
import signal
from typing import Any

from fpack.builders.sandbox import linux

from . import scratch

_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
# chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, setuid, net_bind_service, sys_chroot
_KEPT = (0, 1, 2, 3, 4, 5, 6, 7, 10, 18)
_LAST_CAPABILITY = 63
_SEALED = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")


def become_init(request: dict[str, Any], setup: dict[str, Any], log: int) -> None:
    """Isolate this process, which is process 1 of its namespace, run the command, and exit with its status."""
    linux.libc.prctl(linux.DUMPABLE, 0, 0, 0, 0)
    os.setsid()
    linux.unshare(linux.NEWNS, "a mount namespace")
    _mount_command(setup)
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target, inheritable=True)
    os.closerange(3, 1 << 16)
    os.umask(0o022)
    _limit(setup["limits"])
    # This process gives up the same as the command, so that nothing is to be gained by taking it over.
    give_up(base64.b64decode(setup["filter"]))
    command = os.fork()
    if not command:
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        words, environment = request["command"], request["environment"]
        try:
            try:
                os.execve(words[0], words, environment)
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                # A script without `#!`, which dpkg runs as execvp does.
                os.execve("/bin/sh", ["/bin/sh", *words], environment)
        except OSError as error:
            os.write(2, f"{words[0]}: {error.strerror}\n".encode())
        os._exit(127)
    while True:
        pid, status = os.wait()
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _mount_command(setup: dict[str, Any]) -> None:
    """Mount the kernel's file systems and empty temporary directories in the tree, and make the tree the root."""
    linux.mount("proc", "/merged/proc", "proc", linux.DATA)
    _set_first_pid(setup["first"])
    linux.mount("/dev", "/merged/dev", None, linux.RECURSIVE_BIND)
    for path in scratch.DIRECTORIES:
        linux.mount(f"{scratch.PATH}/{path}", f"/merged/{path}", None, linux.BIND)
    linux.pivot_root("/merged")
    seal()


def seal() -> None:
    """Make the kernel's settings read-only."""
    for path in _SEALED:
        if os.path.isdir(path) or os.path.isfile(path):
            linux.mount(path, path, None, linux.BIND)
            linux.mount("none", path, None, linux.REMOUNT_READ_ONLY | linux.DATA)


def _set_first_pid(number: int) -> None:
    """Let the numbers of processes begin elsewhere, where the kernel allows it."""
    if number:
        try:
            with open("/merged/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
                file.write(str(number))
        except OSError:
            pass


def _limit(limits: dict[str, int]) -> None:
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits["size"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_MEMLOCK, 64 << 10),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def give_up(code: bytes) -> None:
    """Give up all capabilities but those for files and users, permanently, and apply the system call filter."""
    for number in range(_LAST_CAPABILITY + 1):
        if (
            number not in _KEPT
            and linux.libc.prctl(linux.DROP_BOUND, number, 0, 0, 0)
            and ctypes.get_errno() != errno.EINVAL
        ):
            raise OSError(ctypes.get_errno(), "a capability cannot be given up")
    kept = sum(1 << number for number in _KEPT)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    linux.check(linux.libc.capset(header, sets), "capabilities")
    linux.check(linux.libc.prctl(linux.NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")
    linux.apply_filter(code)
