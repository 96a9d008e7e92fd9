"""Call the system calls for namespaces and mounts, which Python does not have."""

from __future__ import annotations

import ctypes
import os

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
ALL = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
NOSUID, NODEV, _NOEXEC, BIND, _RECURSIVE = 2, 4, 8, 4096, 16384
DATA = NOSUID | NODEV | _NOEXEC  # for files that are no programs
RECURSIVE_BIND, RECURSIVE_PRIVATE, REMOUNT_READ_ONLY = BIND | _RECURSIVE, _RECURSIVE | 1 << 18, BIND | 32 | 1
DEATH_SIGNAL, DUMPABLE, SECCOMP, DROP_BOUND, NO_NEW_PRIVILEGES, AMBIENT = 1, 4, 22, 24, 38, 47
_DETACH = 2  # MNT_DETACH
_PIVOT_ROOT = {"x86_64": 155}  # 41 on all newer architectures

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, words: str) -> int:
    """Return the result of a call. Raise OSError if it is negative. words: what the call was for."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), words)
    return result


def unshare(flags: int, words: str) -> None:
    """Move this process to new namespaces."""
    check(libc.unshare(flags), words)


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount a file system. Raise OSError on failure."""
    result = libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), data.encode()
    )
    check(result, f"mount {target}")


def mount_tmpfs(target: str, options: str) -> None:
    """Mount an empty file system in memory."""
    mount("none", target, "tmpfs", NOSUID | NODEV, options)


def unmount(target: str) -> None:
    """Detach a file system, also if it is in use."""
    check(libc.umount2(target.encode(), _DETACH), f"unmount {target}")


def pivot_root(new: str) -> None:
    """Make a mount point the root, and detach the old root."""
    os.chdir(new)
    number = _PIVOT_ROOT.get(os.uname().machine, 41)
    check(libc.syscall(number, b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")
