"""Let a sandbox run the programs of another architecture by an emulator that only this sandbox knows.

The kernel has a table of interpreters of programs for each user namespace (binfmt_misc, since Linux 6.7). So nothing is
registered for the machine, no privilege is needed, and the emulator is a program of the lock instead of the machine's.
The process that starts sandboxes imports this module: only `rule_of` and `is_possible` use more than the standard
library.
"""

from __future__ import annotations

import os

from . import linux

TABLE = "/proc/sys/fs/binfmt_misc"  # the kernel makes this directory, for the mount


def rule(elf: int, is_half: bool, is_big: bool) -> str:
    """Return the kernel's rule for programs of an ELF machine, up to the interpreter. is_half: of 32 bits."""
    magic = [0x7F, *b"ELF", 1 if is_half else 2, 2 if is_big else 1, 1, *[0] * 9, 2, 0, *elf.to_bytes(2, "little")]
    # Any operating system's ABI, and both executables (2) and shared objects (3).
    mask = [*[0xFF] * 7, 0, *[0xFF] * 8, 0xFE, 0xFF, 0xFF, 0xFF]
    if is_big:
        magic[16:] = [0, 2, *elf.to_bytes(2, "big")]
        mask[16:18] = [0xFF, 0xFE]
    return f":fpack:M::{_escaped(magic)}:{_escaped(mask)}:"


def rule_of(arch: str) -> str | None:
    """Return the rule for programs of a Debian architecture, or None for an unknown one."""
    from fpack.builders.machines import BIG_ENDIAN, HALF, MACHINES

    machine = MACHINES.get(arch)
    return None if machine is None else rule(machine.elf, arch in HALF, arch in BIG_ENDIAN)


def _escaped(values: list[int]) -> str:
    return "".join(f"\\x{value:02x}" for value in values)


def enter(text: str, interpreter: int) -> None:
    """Move this process, which has one thread, into a namespace with a rule. Raise OSError if the kernel refuses.

    text: of `rule`. interpreter: a descriptor of the emulator. The kernel opens it now, so that no sandbox needs it.
    """
    uid, gid = os.getuid(), os.getgid()
    # A process that changed its user may not write its own maps otherwise.
    linux.libc.prctl(linux.DUMPABLE, 1, 0, 0, 0)
    linux.unshare(linux.NEWUSER | linux.NEWNS, "unshare")
    # The table belongs to user 0 of the namespace.
    _map(f"0 {uid} 1", f"0 {gid} 1")
    register(text, interpreter)
    # In a namespace below, the process has its own number again. The sandbox sees the table read-only, below /proc/sys.
    linux.unshare(linux.NEWUSER, "unshare")
    _map(f"{uid} 0 1", f"{gid} 0 1")


def register(text: str, interpreter: int) -> None:
    """Give this process's user namespace, of which it is user 0, a rule. Raise OSError if the kernel refuses.

    The process has a mount namespace of its own. text, interpreter: as for `enter`.
    """
    linux.mount("none", "/", None, linux.RECURSIVE_PRIVATE)
    # It stays mounted in this namespace: the kernel forgets the rules with the mount.
    linux.mount("fpack", TABLE, "binfmt_misc", linux.DATA)
    # P: pass the name by which a program was started. F: open the interpreter now.
    _write(f"{TABLE}/register", f"{text}/proc/self/fd/{interpreter}:PF")


def is_possible() -> bool:
    """Return whether the kernel lets the caller do this. Ask in a child process, whose namespaces end with it."""
    from fpack.store import processes

    child = processes.fork(_tried)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _tried() -> int:
    try:
        enter(rule(0xFFFE, False, False), os.open("/proc/self/exe", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return 1
    return 0


def _map(users: str, groups: str) -> None:
    for name, content in (("setgroups", "deny"), ("uid_map", users), ("gid_map", groups)):
        _write(f"/proc/self/{name}", content)


def _write(path: str, content: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, content.encode())
    finally:
        os.close(fd)
