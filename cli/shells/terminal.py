"""What keeps a program in a shell from typing on its terminal: a filter of system calls that bubblewrap loads.

A shell and who called it have one terminal. By TIOCSTI or TIOCLINUX a program could put words into what that terminal
reads next, after it has ended. Sources: seccomp(2), linux/filter.h, linux/audit.h, ioctl_tty(2).
"""

from __future__ import annotations

import errno
import os
from struct import pack

_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET
_NUMBER, _ARCH, _REQUEST = 0, 4, 24  # offsets in struct seccomp_data: of the request, the low half
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# AUDIT_ARCH_*: ioctl's number, and of x86-64 that of its 32-bit pointers' variant.
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
    """The filter; it is the same for all machines."""
    code = [_step(_LOAD, _ARCH)]
    for arch, numbers in _IOCTL.items():
        block = [_step(_LOAD, _NUMBER)]
        block += [_step(_JUMP_EQUAL, number, len(numbers) - i) for i, number in enumerate(numbers)]
        block += [
            _step(_RETURN, _ALLOW),
            _step(_LOAD, _REQUEST),
            _step(_JUMP_EQUAL, _TIOCSTI, 1),
            _step(_JUMP_EQUAL, _TIOCLINUX, 0, 1),
            _step(_RETURN, _ERRNO | errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
        code += [_step(_JUMP_EQUAL, arch, 0, len(block)), *block]
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    """struct sock_filter. Jumps are relative, and forward."""
    return pack("<HBBI", code, true, false, value)


def open_filter() -> int:
    """A descriptor from which bubblewrap reads the filter; a program that is executed has it too."""
    fd = os.memfd_create("filter", 0)
    os.write(fd, build_filter())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
