"""What the processes of a sandbox use, as the kernel tells: memory, processes, room on the disk."""

from __future__ import annotations

import contextlib
import os
import stat

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/children", encoding="ascii") as file:
                    found += map(int, file.read().split())
        if len(found) > 100_000:
            break
    return found


def memory(pids: list[int]) -> int:
    """Bytes that processes have of their own: resident pages less those that are shared with files."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                _, resident, shared = file.read().split()[:3]
            total += int(resident) - int(shared)
    return total * _PAGE


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE


def disk_use(places: list[str], limit: int) -> int:
    """Bytes of disk below directories; counting ends when it is over `limit`. Never follows a symlink."""
    total = 0
    todo: list[int] = []
    for place in places:
        with contextlib.suppress(OSError):
            todo.append(os.open(place, _OPEN))
    try:
        while todo:
            fd = todo.pop()
            try:
                with contextlib.suppress(OSError):
                    for name in os.listdir(fd):
                        with contextlib.suppress(OSError):
                            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                            total += status.st_blocks * 512
                            if stat.S_ISDIR(status.st_mode) and len(todo) < 200:
                                todo.append(os.open(name, _OPEN, dir_fd=fd))
            finally:
                os.close(fd)
            if total > limit:
                break
    finally:
        for fd in todo:
            os.close(fd)
    return total
