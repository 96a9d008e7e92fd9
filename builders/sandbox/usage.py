"""Measure the resources that the processes of a sandbox use: memory, processes and disk space."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PAGE = os.sysconf("SC_PAGE_SIZE")
_INODE = 256  # approximate bytes of an empty file
_LEVELS = 100  # directories to keep open at once while measuring a tree
_MAX_PROCESSES = 100_000  # a build that has more is over any limit


def descendants(pid: int) -> list[int]:
    """Return a process and all its descendants, parents before their children."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as file:
                    found += map(int, file.read().split())
        if len(found) > _MAX_PROCESSES:
            break
    return found


def memory(pids: list[int], limit: int) -> int:
    """Return the bytes that processes have in memory, without file mappings.

    The quick count of shared memory counts it once for each process that maps it. The exact count is slow, so it is
    made only if it decides whether the total exceeds `limit`.
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


def _field(path: str, name: str) -> int:
    """Return a field of a /proc file, converted from kB to bytes, or 0 if it is missing."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def machine_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE


class HeldBytes(NamedTuple):
    """Bytes of memory and disk that processes hold outside of their own memory and of directories."""

    memory: int
    disk: int


def held(pids: list[int]) -> HeldBytes:
    """Measure deleted files that are still open, and the sandbox's /dev/shm. pids: as `descendants` returns them."""
    in_memory = on_disk = 0
    seen: set[tuple[int, int]] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    path = f"/proc/{pid}/fd/{fd}"
                    status = os.stat(path)
                    identity = (status.st_dev, status.st_ino)
                    if status.st_nlink or not stat.S_ISREG(status.st_mode) or identity in seen:
                        continue
                    seen.add(identity)
                    if os.readlink(path).startswith(("/memfd:", "/dev/shm/")):
                        in_memory += status.st_blocks * 512
                    else:
                        on_disk += status.st_blocks * 512
    for pid in reversed(pids[1:]):
        # The first process is outside the sandbox, and the second may not have entered it yet.
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/root/dev/shm").st_dev == _device("/dev/shm"):
                continue
            shm = os.statvfs(f"/proc/{pid}/root/dev/shm")
            in_memory += (shm.f_blocks - shm.f_bfree) * shm.f_frsize
            break
    return HeldBytes(in_memory, on_disk)


def _device(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_dev
    return -1


class DiskUse(NamedTuple):
    """The disk usage of directories. size: bytes. files: the number of entries, each of which takes an inode."""

    size: int
    files: int


def disk_use(paths: list[str], limit: int) -> DiskUse:
    """Measure directories of any width and depth, without following symlinks. Stop when they exceed `limit` bytes."""
    total = files = 0
    for path in paths:
        for size in _sizes(path):
            total += size
            files += 1
            if total > limit or files > files_within(limit):
                return DiskUse(total, files)
    return DiskUse(total, files)


def files_within(limit: int) -> int:
    """Return the number of files that a limit of bytes allows, since empty files use up inodes.

    ext4 has one inode for each 16 KiB of disk.
    """
    return max(limit // 16384, 1000)


def _sizes(top: str) -> Iterator[int]:
    """Yield the bytes of each entry below a directory."""
    todo: list[tuple[str, ...]] = [()]
    while todo:
        parts = todo.pop()
        with contextlib.suppress(OSError):
            fd = os.open(top, _OPEN)
            # Open one level at a time, since the path of a deep entry exceeds the kernel's limit.
            for name in parts:
                try:
                    below = os.open(name, _OPEN, dir_fd=fd)
                finally:
                    os.close(fd)
                fd = below
            yield from _below(fd, parts, todo)


def _below(fd: int, parts: tuple[str, ...], todo: list[tuple[str, ...]], depth: int = 0) -> Iterator[int]:
    try:
        with contextlib.suppress(OSError):
            for name in os.listdir(fd):
                with contextlib.suppress(OSError):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    yield status.st_blocks * 512 + _INODE
                    if stat.S_ISDIR(status.st_mode):
                        if depth < _LEVELS:
                            yield from _below(os.open(name, _OPEN, dir_fd=fd), (*parts, name), todo, depth + 1)
                        else:
                            todo.append((*parts, name))
    finally:
        os.close(fd)
