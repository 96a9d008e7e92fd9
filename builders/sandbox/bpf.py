"""Assemble system call filters in classic BPF for seccomp(2).

Sources: seccomp(2), linux/filter.h, linux/bpf_common.h, linux/audit.h.
"""

from __future__ import annotations

from struct import pack

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_*
LOAD, JUMP_EQUAL, JUMP_SET, JUMP_MORE, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|..|K, BPF_RET
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


class BpfProgram:
    """A sequence of instructions. Jumps are relative and forward."""

    def __init__(self) -> None:
        self._code: list[bytes] = []

    def add(self, code: int, value: int, true: int = 0, false: int = 0) -> None:
        """Append one struct sock_filter."""
        self._code.append(pack("<HBBI", code, true, false, value))

    def argument(self, index: int) -> None:
        """Load the low half of an argument of the call, since all checked arguments are ints."""
        self.add(LOAD, ARGUMENTS + 8 * index)

    def refuse(self, code: int) -> None:
        """Append a return that lets the call fail with an error."""
        self.add(RETURN, ERRNO | code)

    def allow(self) -> None:
        """Append a return that allows the call."""
        self.add(RETURN, ALLOW)

    def encode(self) -> bytes:
        """Return the program's bytes."""
        return b"".join(self._code)
