"""Run a command where seccomp(2) cannot make listeners: `python without_listeners.py COMMAND...`."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from fpack.builders.sandbox import bpf

_SECCOMP = {"x86_64": 317}.get(os.uname().machine, 277)
_NEW_LISTENER = 1 << 3


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main() -> None:
    """Apply the filter, and become the command."""
    program = bpf.BpfProgram()
    program.add(bpf.LOAD, bpf.NUMBER)
    program.add(bpf.JUMP_EQUAL, _SECCOMP, 0, 3)
    program.argument(1)
    program.add(bpf.JUMP_SET, _NEW_LISTENER, 0, 1)
    program.refuse(errno.EINVAL)
    program.allow()
    code = program.encode()
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    filled = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_char_p))
    if os.geteuid() != 0 and libc.prctl(38, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(22, 2, ctypes.byref(filled), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter")
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
