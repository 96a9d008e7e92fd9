"""Compute bubblewrap's options for the isolation of a sandbox: namespaces, kernel file systems, system call filter.

All builds, services, container shells and plain shells use `assemble`. No other code writes such options, so no kind of
sandbox can lack one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from fpack.light_typing import NamedTuple

# Files below these paths change the kernel for the whole machine. They belong to the machine's uid 0.
KERNEL_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger")
_SHM_SIZE = 1 << 30  # bytes of /dev/shm


class Isolation(NamedTuple):
    """The isolation of a sandbox.

    uid, gid: the user inside. closed: the sandbox has its own processes, IPC objects, host name and devices, and the
    filter of builds; otherwise it shares the machine's, and the filter protects only the terminal. network: it has the
    machine's network; otherwise only a loopback device. root: root's own plain shell, the only sandbox without a user
    namespace, whose processes have all privileges of root.
    """

    uid: int
    gid: int
    closed: bool = True
    network: bool = False
    root: bool = False


def assemble(isolation: Isolation, base: Iterable[str], mounts: Iterable[str], filter_fd: int) -> list[str]:
    """Return bubblewrap's options for a sandbox, in the order in which bubblewrap applies them.

    base: the options that create `/`. mounts: the options that follow the kernel's file systems. filter_fd: the
    descriptor from which bubblewrap reads the filter.
    """
    return [*_namespaces(isolation), *base, *_kernel(isolation), *mounts, "--seccomp", str(filter_fd)]


def encode(words: Iterable[str]) -> bytes:
    """Return bubblewrap's arguments as it reads them from a descriptor. SandboxError if one would be several there."""
    found = list(words)
    text = "".join(f"{word}\0" for word in found)
    if text.count("\0") != len(found):
        from .bwrap import SandboxError

        word = next(word for word in found if "\0" in word)
        raise SandboxError("A sandbox cannot be described", why=f"{word[:80]!r} holds a NUL character")
    return os.fsencode(text)


def filter_of(isolation: Isolation) -> bytes:
    """Return the system call filter of a sandbox. Raise SandboxError if there is none for this machine."""
    if isolation.closed:
        from .seccomp import build_filter

        return build_filter()
    from . import tty_filter

    return tty_filter.build_filter()


def filter_name(isolation: Isolation) -> str:
    """Return the name of a file for the filter. It changes with the modules that build the filter."""
    made_by = ("bpf.py", "seccomp.py" if isolation.closed else "tty_filter.py")
    directory = os.path.dirname(__file__)
    marks = [os.stat(f"{directory}/{name}") for name in made_by]
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
