"""Assemble system call filters in classic BPF for seccomp(2).

Sources: seccomp(2), linux/filter.h, linux/bpf_common.h, linux/audit.h.
"""

from __future__ import annotations

from struct import pack

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_*
# BPF_LD|BPF_W|BPF_ABS; BPF_JMP|BPF_K with BPF_JEQ, BPF_JSET or BPF_JGE; BPF_RET
LOAD, JUMP_EQUAL, JUMP_SET, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


class BpfProgram:
    """A sequence of instructions. Jumps are relative and forward."""

    def __init__(self) -> None:
        self._code: list[bytes] = []

    def add(self, code: int, value: int, true: int = 0, false: int = 0) -> None:
        """Append one instruction, a struct sock_filter. true, false: the instructions that a jump skips."""
        self._code.append(pack("<HBBI", code, true, false, value))

    def argument(self, index: int) -> None:
        """Append a load of the low 32 bits of an argument of the system call: all checked arguments are ints."""
        self.add(LOAD, ARGUMENTS + 8 * index)

    def refuse(self, code: int) -> None:
        """Append a return that makes the system call fail. code: the errno."""
        self.add(RETURN, ERRNO | code)

    def allow(self) -> None:
        """Append a return that allows the system call."""
        self.add(RETURN, ALLOW)

    def encode(self) -> bytes:
        """Return the program's bytes."""
        return b"".join(self._code)
