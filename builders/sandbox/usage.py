"""What the processes of a sandbox use, as the kernel tells: memory, processes, room on the disk."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PAGE = os.sysconf("SC_PAGE_SIZE")
_INODE = 256  # bytes that a file without content takes, about
_LEVELS = 100  # directories that are open at once while a tree is measured


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


def memory(pids: list[int], limit: int) -> int:
    """Bytes that processes have in memory, less what they share with files on a disk.

    What they share among themselves is told apart only where it decides whether they are over `limit`.
    """
    own = shared = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                _, resident, common = map(int, file.read().split()[:3])
            own += (resident - common) * _PAGE
            if common:
                shared += _field(f"/proc/{pid}/status", "RssShmem:")
    if own <= limit < own + shared:
        shared = sum(_field(f"/proc/{pid}/smaps_rollup", "Pss_Shmem:") for pid in pids)
    return own + shared


def _field(place: str, name: str) -> int:
    """A number of kB, in bytes; 0 where it is not told."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(place, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE


class Held(NamedTuple):
    """What processes hold that is in no process's memory, and in no directory: bytes of memory, and of disk."""

    memory: int
    disk: int


def held(pids: list[int]) -> Held:
    """What open files hold that have no name any more, and what lies in the sandbox's /dev/shm."""
    in_memory = on_disk = 0
    seen: set[tuple[int, int]] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    place = f"/proc/{pid}/fd/{fd}"
                    status = os.stat(place)
                    which = (status.st_dev, status.st_ino)
                    if status.st_nlink or not stat.S_ISREG(status.st_mode) or which in seen:
                        continue
                    seen.add(which)
                    if os.readlink(place).startswith(("/memfd:", "/dev/shm/")):
                        in_memory += status.st_blocks * 512
                    else:
                        on_disk += status.st_blocks * 512
    for pid in reversed(pids[1:]):
        # The first process is outside of the sandbox, and the second may be about to enter it.
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/root/dev/shm").st_dev == _device("/dev/shm"):
                continue
            shm = os.statvfs(f"/proc/{pid}/root/dev/shm")
            in_memory += (shm.f_blocks - shm.f_bfree) * shm.f_frsize
            break
    return Held(in_memory, on_disk)


def _device(place: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(place).st_dev
    return -1


class DiskUse(NamedTuple):
    """What lies below directories. size: bytes of disk. files: how many entries, each of which takes an inode."""

    size: int
    files: int


def disk_use(places: list[str], limit: int) -> DiskUse:
    """Measure directories, however wide and deep; measuring ends when they are over `limit`, in bytes.

    Never follows a symlink.
    """
    total = files = 0
    for place in places:
        for size in _sizes(place):
            total += size
            files += 1
            if total > limit or files > files_within(limit):
                return DiskUse(total, files)
    return DiskUse(total, files)


def files_within(limit: int) -> int:
    """Return how many files a limit of bytes allows: an empty one takes an inode, and a file system has few of these.

    ext4 makes one inode for each 16 KiB of disk.
    """
    return max(limit // 16384, 1000)


def _sizes(place: str) -> Iterator[int]:
    """Bytes of each entry below a directory."""
    todo: list[tuple[str, ...]] = [()]
    while todo:
        way = todo.pop()
        with contextlib.suppress(OSError):
            fd = os.open(place, _OPEN)
            # Step by step: what is deep has no name that the kernel takes.
            for name in way:
                try:
                    below = os.open(name, _OPEN, dir_fd=fd)
                finally:
                    os.close(fd)
                fd = below
            yield from _below(fd, way, todo)


def _below(fd: int, way: tuple[str, ...], todo: list[tuple[str, ...]], depth: int = 0) -> Iterator[int]:
    try:
        with contextlib.suppress(OSError):
            for name in os.listdir(fd):
                with contextlib.suppress(OSError):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    yield status.st_blocks * 512 + _INODE
                    if stat.S_ISDIR(status.st_mode):
                        if depth < _LEVELS:
                            yield from _below(os.open(name, _OPEN, dir_fd=fd), (*way, name), todo, depth + 1)
                        else:
                            todo.append((*way, name))
    finally:
        os.close(fd)
