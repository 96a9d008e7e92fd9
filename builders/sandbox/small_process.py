"""Functions of the small processes beside fpack: the one that starts sandboxes, and those that run maintainer scripts.

They start with a command, so this module imports only what they need anyway.
"""

from __future__ import annotations

import array
import socket

# Files of /proc/sysvipc: the columns that tell the size of an object, and the bytes of each unit.
_IPC_COLUMNS = {"shm": (("rss", 1), ("swap", 1)), "msg": (("cbytes", 1), ("qnum", 64)), "sem": (("nsems", 64),)}


def be_killed_first() -> None:
    """If memory runs out, let the kernel kill this process and those that it starts before any other."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass


def receive(channel: socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """Receive at most `size` bytes with at most `most` descriptors."""
    data, ancillary, _, _ = channel.recvmsg(size, socket.CMSG_SPACE(most * 4), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, part in ancillary:
        fds.frombytes(part[: len(part) - len(part) % 4])
    return data, list(fds)


def ipc_memory() -> int:
    """Return the bytes of the System V objects of this process's namespace in memory and swap."""
    total = 0
    for name, columns in _IPC_COLUMNS.items():
        with open(f"/proc/sysvipc/{name}", encoding="ascii") as file:
            names = file.readline().split()
            for line in file:
                row = dict(zip(names, line.split(), strict=True))
                total += 512 + sum(int(row[column]) * size for column, size in columns)
    return total
