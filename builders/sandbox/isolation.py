"""Describe how far a sandbox is cut off from the machine: its namespaces, kernel file systems and system call filter.

Builds, services, container shells and plain shells are all made by `assemble`, and no other code writes bubblewrap's
options for namespaces, kernel file systems or filters. So no kind of sandbox can lack one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

# Writing below these changes the kernel for everybody. The files belong to uid 0 of the machine.
KERNEL_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger")
_SHM_SIZE = 1 << 30  # bytes of /dev/shm


class Isolation(NamedTuple):
    """How far a sandbox is cut off.

    uid, gid: the user inside. closed: the sandbox has its own processes, IPC objects, host name and devices, and the
    filter of builds; otherwise it shares the machine's, and the filter protects the terminal only. network: it has
    the machine's network; otherwise a loopback device of its own. root: root's own plain shell, the only sandbox
    without a user namespace; it is root on the machine, and nothing in it is held back.
    """

    uid: int
    gid: int
    closed: bool = True
    network: bool = False
    root: bool = False


def assemble(isolation: Isolation, base: Iterable[str], mounts: Iterable[str], filter_fd: int) -> list[str]:
    """Return bubblewrap's options for a sandbox, in the order in which bubblewrap performs them.

    base: the options that make `/`. mounts: the options that follow the kernel's file systems. filter_fd: the
    descriptor from which bubblewrap reads the program of `filter_of`.
    """
    return [*_namespaces(isolation), *base, *_kernel(isolation), *mounts, "--seccomp", str(filter_fd)]


def encode(words: Iterable[str]) -> bytes:
    """Return bubblewrap's arguments as it reads them from a descriptor. SandboxError if one would be several there."""
    found = list(words)
    for word in found:
        if "\0" in word:
            from .bwrap import SandboxError

            raise SandboxError("A sandbox cannot be described", why=f"{word[:80]!r} holds a NUL character")
    return b"".join(os.fsencode(word) + b"\0" for word in found)


def filter_of(isolation: Isolation) -> bytes:
    """Return the filter of system calls of a sandbox; SandboxError for a machine that has none."""
    if isolation.closed:
        from .seccomp import build_filter

        return build_filter()
    from . import tty_filter

    return tty_filter.build_filter()


def filter_name(isolation: Isolation) -> str:
    """Return a name for a file that holds the program of `filter_of`; it changes with the modules that make it."""
    made_by = ("bpf.py", "seccomp.py" if isolation.closed else "tty_filter.py")
    folder = os.path.dirname(__file__)
    marks = [os.stat(f"{folder}/{name}") for name in made_by]
    kind = "closed" if isolation.closed else "plain"
    return "-".join([f"filter-{kind}", *(f"{mark.st_mtime_ns:x}-{mark.st_size:x}" for mark in marks)])


def _namespaces(isolation: Isolation) -> list[str]:
    words = []
    if not isolation.root:
        words += ["--unshare-user", "--uid", str(isolation.uid), "--gid", str(isolation.gid)]
    if isolation.closed:
        words += ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "fpack"]
    if not isolation.network:
        words += ["--unshare-net"]
    return words


def _kernel(isolation: Isolation) -> list[str]:
    words = []
    if isolation.closed:
        words += ["--proc", "/proc"]
    else:
        words += ["--bind", "/proc", "/proc"]
    if not isolation.root:
        for path in KERNEL_SETTINGS:
            words += ["--ro-bind-try", path, path]
    if isolation.closed:
        words += ["--dev", "/dev", "--size", str(_SHM_SIZE), "--perms", "1777", "--tmpfs", "/dev/shm"]
        words += ["--remount-ro", "/dev"]
    else:
        words += ["--dev-bind", "/dev", "/dev", "--ro-bind-try", "/sys", "/sys"]
    return words
