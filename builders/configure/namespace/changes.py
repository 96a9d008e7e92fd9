"""Find and read what changed below a directory in which scripts chose the names and the contents."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any

from .messages import InvalidRequest

_MAX_DEPTH = 64  # of a tree in the store
PIECE = 1 << 18  # bytes that are read at once

# The identity and the state of an entry. For a file or symlink: mode, uid, gid, inode, size, mtime, ctime.
Signature = tuple[Any, ...]
_INODE, _SIZE = 3, 4  # places in the signature of a file


def walk(top: int) -> dict[str, Signature]:
    """Return the signature of each entry below a directory, by its relative path. top: a descriptor of the directory.

    A directory's times are left out: they change with its entries. Directories that are too deep for a store are not
    entered.
    """
    found: dict[str, Signature] = {}

    def enter(fd: int, prefix: str, depth: int) -> None:
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    s = entry.stat(follow_symlinks=False)
                    path = prefix + entry.name
                    if stat.S_ISDIR(s.st_mode):
                        found[path] = (s.st_mode, s.st_uid, s.st_gid, s.st_ino)
                        if depth < _MAX_DEPTH:
                            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                            enter(os.open(entry.name, flags, dir_fd=fd), path + "/", depth + 1)
                    elif stat.S_ISCHR(s.st_mode):
                        found[path] = (s.st_mode, s.st_rdev)  # a whiteout: all are links to one inode
                    else:
                        found[path] = (
                            s.st_mode, s.st_uid, s.st_gid, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns,
                        )  # fmt: skip
        finally:
            os.close(fd)

    enter(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top), "", 1)
    return found


def parent_of(top: int, path: str) -> tuple[int, str]:
    """Return an open descriptor of the directory of a path below `top`, reached without symlinks, and the last name."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
    *parents, name = path.split("/")
    for part in parents:
        try:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd, name


def open_below(top: int, path: str, flags: int = os.O_NONBLOCK) -> int:
    """Open a path below `top` to read it, without symlinks. A pipe that a script has made does not block."""
    directory, name = parent_of(top, path)
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=directory)
    finally:
        os.close(directory)


class FileHasher:
    """A hasher of files below `top` that reads at most `most` bytes in all.

    Without the limit, a sparse file of a script could keep it busy for days. Each inode is read once, however many hard
    links it has.
    """

    def __init__(self, top: int, most: int) -> None:
        self._top = top
        self._left = self._most = most
        self._known: dict[int, tuple[int, str]] = {}

    def file(self, path: str, now: Signature) -> tuple[int, str]:
        """Return the size and the SHA-256 of a file. now: its signature. Raise InvalidRequest beyond the limit."""
        inode, size = now[_INODE], now[_SIZE]
        if inode in self._known:
            return self._known[inode]
        self._left -= size
        if self._left < 0:
            raise InvalidRequest(f"their files have more than {self._most} bytes: /{path} is beyond the limit")
        hasher = hashlib.sha256()
        count = 0
        with open(open_below(self._top, path), "rb", buffering=0) as file:
            while piece := file.read(PIECE):
                hasher.update(piece)
                count += len(piece)
        self._known[inode] = found = (count, hasher.hexdigest())
        return found
