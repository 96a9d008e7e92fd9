"""Find out whether this machine runs programs of an architecture, by itself or by an emulator."""

from __future__ import annotations

import errno
import os
import struct
import sys
from functools import lru_cache

from fpack.builders.machines import BIG_ENDIAN, HALF, MACHINES
from fpack.cli.errors import UsageError
from fpack.store import processes

_ALSO = {62: 3, 183: 40}  # ELF machines that usually run the programs of another one


def check(arch: str, what: str = "The image", other: str = "pack the image with fpack pack") -> None:
    """Raise UsageError if the machine cannot run programs of a Debian architecture. other: a hint of what to do."""
    if name := runs_instead(arch):
        raise UsageError(
            f"{what} is for {arch}; this machine runs {name}",
            hint=f"install an emulator, such as Debian's qemu-user-binfmt, or {other}",
        )


def needs_emulator(arch: str, what: str, other: str) -> bool:
    """Return whether a sandbox runs programs of a Debian architecture only by an emulator of its own.

    Raise UsageError if the machine cannot run them in any way. what, other: as for `check`.
    """
    if not runs_instead(arch):
        return False
    if not can_emulate():
        check(arch, what, other)
    return True


@lru_cache(maxsize=16)
def runs_instead(arch: str, *, in_builds: bool = False) -> str:
    """Return the architecture that the machine runs, or "" if it can run programs of `arch`.

    An unknown architecture is no obstacle here: nothing can be asked for it. in_builds: the sandbox of builds allows
    only system calls of the machine's own architecture, as emulators make them.
    """
    with open("/proc/self/exe", "rb") as file:
        own = int.from_bytes(file.read(20)[18:], sys.byteorder)
    also = None if in_builds else _ALSO.get(own)
    if arch not in MACHINES or MACHINES[arch].elf in (own, also) or _is_emulated(arch):
        return ""
    return next((name for name, machine in MACHINES.items() if machine.elf == own), os.uname().machine)


@lru_cache(maxsize=1)
def can_emulate() -> bool:
    """Return whether a sandbox here can have an emulator of its own."""
    from fpack.builders.sandbox.emulation import is_possible

    return is_possible()


def _is_emulated(arch: str) -> bool:
    """Return whether the kernel has a handler for programs of an architecture.

    Its list of them is hidden in many containers, so ask it to execute a program.
    """
    is_big = arch in BIG_ENDIAN
    ident = bytes((0x7F, *b"ELF", 1 if arch in HALF else 2, 2 if is_big else 1, 1))
    header = struct.pack(">16sHH" if is_big else "<16sHH", ident, 2, MACHINES[arch].elf)
    child = processes.fork(lambda: _refused(header))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _refused(header: bytes) -> int:
    """Return whether the kernel has no handler for a file.

    Nothing runs: the kernel starts no handler for a file that it closes.
    """
    try:
        fd = os.memfd_create("program", os.MFD_CLOEXEC)
        os.write(fd, header.ljust(128, b"\0"))
        os.execve(fd, ["program"], {})
    except OSError as error:
        return int(error.errno == errno.ENOEXEC)
