"""Build the system call filter for shells that share the machine's processes and terminal.

A shell and its caller share a terminal. With TIOCSTI or TIOCLINUX, a program could insert input that the caller's shell
reads after the program has ended. Sources: seccomp(2), linux/audit.h, ioctl_tty(2).
"""

from __future__ import annotations

import errno

from . import bpf

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
# The numbers of ioctl by AUDIT_ARCH_*; for x86-64 also the number of the x32 variant.
_IOCTL = {
    0xC000003E: (16, 0x40000000 | 514),  # x86-64
    0x40000003: (54,),  # i386
    0xC00000B7: (29,),  # aarch64
    0x40000028: (54,),  # arm
    0xC00000F3: (29,),  # riscv64
    0xC0000102: (29,),  # loongarch64
    0xC0000015: (54,),  # ppc64le
    0x80000016: (54,),  # s390x
}


def build_filter() -> bytes:
    """Return the filter, which is the same for all machines."""
    program = bpf.BpfProgram()
    program.add(bpf.LOAD, bpf.ARCH)
    for arch, numbers in _IOCTL.items():
        program.add(bpf.JUMP_EQUAL, arch, 0, len(numbers) + 7)
        program.add(bpf.LOAD, bpf.NUMBER)
        for i, number in enumerate(numbers):
            program.add(bpf.JUMP_EQUAL, number, len(numbers) - i)
        program.allow()
        program.argument(1)
        program.add(bpf.JUMP_EQUAL, TIOCSTI, 1)
        program.add(bpf.JUMP_EQUAL, TIOCLINUX, 0, 1)
        program.refuse(errno.EPERM)
        program.allow()
    program.allow()
    return program.encode()
