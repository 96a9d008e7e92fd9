"""Assemble filters of system calls in classic BPF, as seccomp(2) loads them.

Sources: seccomp(2), linux/filter.h, linux/bpf_common.h, linux/audit.h.
"""

from __future__ import annotations

from struct import pack

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_*
LOAD, JUMP_EQUAL, JUMP_SET, JUMP_MORE, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|..|K, BPF_RET
NUMBER, ARCH, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


class Program:
    """Instructions in order. Jumps are relative, and go forward only."""

    def __init__(self) -> None:
        self._code: list[bytes] = []

    def add(self, code: int, value: int, true: int = 0, false: int = 0) -> None:
        """Append one struct sock_filter."""
        self._code.append(pack("<HBBI", code, true, false, value))

    def argument(self, index: int) -> None:
        """Load the low half of an argument of the call; the filters look at ints only."""
        self.add(LOAD, ARGUMENTS + 8 * index)

    def refuse(self, code: int) -> None:
        """Return: the call fails with this error."""
        self.add(RETURN, ERRNO | code)

    def allow(self) -> None:
        """Return: the kernel makes the call."""
        self.add(RETURN, ALLOW)

    def encode(self) -> bytes:
        """Return the program's bytes."""
        return b"".join(self._code)
