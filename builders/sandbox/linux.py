"""Call the system calls for namespaces, mounts and filters, which Python does not have.

Sources: namespaces(7), open_tree(2), move_mount(2), mount_setattr(2), seccomp(2).
"""

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
DEATH_SIGNAL, DUMPABLE, _SECCOMP, DROP_BOUND, NO_NEW_PRIVILEGES, AMBIENT = 1, 4, 22, 24, 38, 47
_DETACH = 2  # MNT_DETACH
# Numbers of system calls that are the same on all machines, and their flags.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _CLOEXEC, NOFOLLOW, EMPTY_PATH, RECURSIVE, _FROM_EMPTY, _TO_EMPTY = 1, 0o2000000, 0x100, 0x1000, 0x8000, 4, 0x40
AT_FDCWD = -100
READ_ONLY, NO_SET_ID, NO_DEVICES, ID_MAPPED = 1, 2, 4, 0x100000  # MOUNT_ATTR_*
_PIVOT_ROOT = {"x86_64": 155}  # 41 on all newer architectures

libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    """struct mount_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "users")]


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


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


def open_tree(directory: int, path: str, flags: int = 0) -> int:
    """Return a descriptor of a detached copy of a mount, or -1 and set errno."""
    return int(libc.syscall(_OPEN_TREE, directory, os.fsencode(path), flags | _CLONE | _CLOEXEC))


def move_mount(mount: int, path: str, directory: int = AT_FDCWD) -> int:
    """Attach a detached mount at a path, or at `directory` if the path is empty. Return 0, or -1 and set errno."""
    flags = _FROM_EMPTY if path else _FROM_EMPTY | _TO_EMPTY
    return int(libc.syscall(_MOVE_MOUNT, mount, b"", directory, os.fsencode(path), flags))


def set_attributes(mount: int, attributes: int, users: int = 0, flags: int = 0) -> int:
    """Give a mount MOUNT_ATTR_* attributes. Return 0, or -1 and set errno. users: a user namespace for ID_MAPPED."""
    wanted = _MountAttributes(attributes, 0, 0, users)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    return int(libc.syscall(_MOUNT_SETATTR, mount, b"", flags | EMPTY_PATH, ctypes.byref(wanted), size))


def filter_program(code: bytes) -> _Filter:
    """Return the argument of seccomp(2) for the instructions of a filter."""
    return _Filter(len(code) // 8, ctypes.cast(ctypes.create_string_buffer(code, len(code)), ctypes.c_char_p))


def apply_filter(code: bytes) -> None:
    """Apply a system call filter to this process, permanently. Raise OSError on failure."""
    program = filter_program(code)
    check(libc.prctl(_SECCOMP, 2, ctypes.byref(program), 0, 0), "the system call filter")


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
