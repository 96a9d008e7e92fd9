"""Build the system call filter of builds, in classic BPF that bubblewrap loads.

The filter allows most calls, since a build may do anything to its own files. It denies calls that reach outside the
sandbox or create things that a store cannot hold: set-id bits, extended attributes, namespaces and mounts, keys,
io_uring (whose operations bypass filters), other processes' memory, kernel interfaces, and socket families that a
network namespace does not isolate. Sources: seccomp(2), linux/filter.h, linux/audit.h, the kernel's system call tables.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from . import bpf
from .bwrap import SandboxError
from .tty_filter import TIOCLINUX, TIOCSTI

_X32 = 0x40000000

SET_ID = 0o6000
_NAMESPACES = 0x7E020080  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET and TIME
_CLONE_NAMESPACES = _NAMESPACES & ~0x80  # NEWTIME's bit belongs to clone's exit signal
_ATTACH, _SEIZE = 16, 0x4206
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink

# name: (number on x86-64, number in the table that newer architectures share), None if there is no such call.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chmod": (90, None),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "creat": (85, None), "delete_module": (176, 106), "fanotify_init": (300, 262), "fchmod": (91, 52),
    "fchmodat": (268, 53), "fchmodat2": (452, 452), "finit_module": (313, 273), "fsconfig": (431, 431),
    "fsetxattr": (190, 7), "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433),
    "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioperm": (173, None), "iopl": (172, None),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "lsetxattr": (189, 6),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "mknod": (133, None), "mknodat": (259, 33),
    "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "open": (2, None), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "open_tree_attr": (467, 467), "openat": (257, 56), "openat2": (437, 437), "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438), "pivot_root": (155, 41), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "request_key": (249, 218), "setns": (308, 268), "settimeofday": (164, 170),
    "setxattr": (188, 5), "setxattrat": (463, 463), "socket": (41, 198), "socketpair": (53, 199),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip

# Denied with any arguments.
_NEVER: dict[int, str] = {
    errno.EPERM: "acct add_key adjtimex bpf clock_adjtime clock_settime delete_module fanotify_init finit_module "
    "fsconfig fsmount fsopen fspick init_module ioperm iopl kexec_file_load kexec_load keyctl mount mount_setattr "
    "move_mount open_by_handle_at open_tree open_tree_attr perf_event_open pidfd_getfd pivot_root process_vm_readv "
    "process_vm_writev quotactl quotactl_fd reboot request_key setns settimeofday swapoff swapon syslog umount2 "
    "userfaultfd vhangup",
    errno.EOPNOTSUPP: "setxattr lsetxattr fsetxattr setxattrat",
    # Callers fall back to older calls, whose arguments a filter can check.
    errno.ENOSYS: "clone3 openat2 io_uring_setup io_uring_enter io_uring_register",
}
# Denied to maintainer scripts: these files are in memory, and those in a socket's queue are in no process.
_IN_MEMORY = ("memfd_create", "memfd_secret")
# Denied with EPERM if an argument has one of the bits: (argument, bits).
_BITS: dict[str, tuple[int, int]] = {
    "chmod": (1, SET_ID), "fchmod": (1, SET_ID), "fchmodat": (2, SET_ID), "fchmodat2": (2, SET_ID),
    "creat": (1, SET_ID), "mknod": (1, SET_ID), "mknodat": (2, SET_ID),
    "unshare": (0, _NAMESPACES), "clone": (0, _CLONE_NAMESPACES),
}  # fmt: skip
# Denied with EPERM if an argument is one of the values.
_VALUES: dict[str, tuple[int, tuple[int, ...]]] = {
    "ioctl": (1, (TIOCSTI, TIOCLINUX)), "ptrace": (0, (_ATTACH, _SEIZE)),
}  # fmt: skip
# Calls that may create a file with a mode: (argument of the flags, argument of the mode).
_OPENS = {"open": (1, 2), "openat": (2, 3)}
_CREATES = 0o100 | 0o20000000  # O_CREAT, and the bit that only O_TMPFILE has


class Machine(NamedTuple):
    """The parameters of a filter. audit: AUDIT_ARCH_*. column: of the table of calls."""

    audit: int
    column: int


MACHINES = {
    "x86_64": Machine(0xC000003E, 0),
    "aarch64": Machine(0xC00000B7, 1),
    "riscv64": Machine(0xC00000F3, 1),
    "loongarch64": Machine(0xC0000102, 1),
}


def build_filter(machine: str = "", *, set_id: bool = False, scripts: bool = False, tracing: bool = False) -> bytes:
    """Return the filter for a machine (uname -m; by default this one). Raise SandboxError for an unknown machine.

    set_id: allow modes with set-id bits, for a tree that is on a file system where they have no effect. scripts: the
    filter of maintainer scripts, which allows them too, and denies files in memory, which no limit counts. tracing:
    allow debuggers to attach to processes, for a sandbox whose processes all belong to one image.
    """
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        raise SandboxError(
            f"There is no system call filter for {machine}", hint="build on one of: " + ", ".join(MACHINES)
        )
    audit, column = MACHINES[machine]
    numbers = {name: number for name, row in _CALLS.items() if (number := row[column]) is not None}
    program = bpf.BpfProgram()
    # Calls of another architecture (such as 32-bit ones) have other numbers.
    program.add(bpf.LOAD, bpf.ARCH)
    program.add(bpf.JUMP_EQUAL, audit, 1, 0)
    program.refuse(errno.ENOSYS)
    program.add(bpf.LOAD, bpf.NUMBER)
    if machine == "x86_64":
        program.add(bpf.JUMP_AT_LEAST, _X32, 0, 1)
        program.refuse(errno.ENOSYS)
    for code, names in _NEVER.items():
        for name in names.split():
            if name in numbers:
                program.add(bpf.JUMP_EQUAL, numbers[name], 0, 1)
                program.refuse(code)
    for name in _IN_MEMORY if scripts else ():
        program.add(bpf.JUMP_EQUAL, numbers[name], 0, 1)
        program.refuse(errno.ENOSYS)
    for name, (argument, bits) in _BITS.items():
        if name in numbers and not (bits == SET_ID and (set_id or scripts)):
            program.add(bpf.JUMP_EQUAL, numbers[name], 0, 4)
            program.argument(argument)
            program.add(bpf.JUMP_SET, bits, 0, 1)
            program.refuse(errno.EPERM)
            program.allow()
    for name, (argument, values) in _VALUES.items():
        if name == "ptrace" and tracing:
            continue
        program.add(bpf.JUMP_EQUAL, numbers[name], 0, 2 + 2 * len(values))
        program.argument(argument)
        for value in values:
            program.add(bpf.JUMP_EQUAL, value, 0, 1)
            program.refuse(errno.EPERM)
        program.allow()
    for name, (flags, mode) in _OPENS.items():
        if name in numbers and not (set_id or scripts):
            program.add(bpf.JUMP_EQUAL, numbers[name], 0, 6)
            program.argument(flags)
            program.add(bpf.JUMP_SET, _CREATES, 0, 3)
            program.argument(mode)
            program.add(bpf.JUMP_SET, SET_ID, 0, 1)
            program.refuse(errno.EPERM)
            program.allow()
    for name in ("socket", "socketpair"):
        program.add(bpf.JUMP_EQUAL, numbers[name], 0, 2 + len(_FAMILIES))
        program.argument(0)
        for left, family in zip(range(len(_FAMILIES), 0, -1), _FAMILIES, strict=True):
            program.add(bpf.JUMP_EQUAL, family, left, 0)
        program.refuse(errno.EAFNOSUPPORT)
    program.allow()
    return program.encode()
