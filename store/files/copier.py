"""Copy single files into a tree and the pool, by path. Several processes may do so at once."""

from __future__ import annotations

import os
import stat

from blake3 import blake3
from fpack.store.errors import BadTree

from .pool import MTIME, FileNode, Pool
from .tree import CHUNK
from .writeback import Writeback

LARGE = 4 << 20
_SMALL = 1 << 14
_BUFFER = 1 << 18  # a piece of this size stays in the processor's cache while it is read, hashed and written
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_TIMES = (MTIME, MTIME)


def hash_file(source: str) -> tuple[FileNode, os.stat_result]:
    """Return the node and status that `copy_file` would return, without copying."""
    fd, status = _opened(source)
    try:
        content = _small(fd, status.st_size)
        if content is not None:
            return FileNode(blake3(content).digest(), len(content), bool(status.st_mode & 0o100)), status
        hasher, size = blake3(), 0
        buffer = memoryview(bytearray(CHUNK))
        while count := os.readv(fd, [buffer]):
            hasher.update(buffer[:count])
            size += count
        return FileNode(hasher.digest(), size, bool(status.st_mode & 0o100)), status
    finally:
        os.close(fd)


def copy_file(pool: Pool, source: str, target: str) -> tuple[FileNode, os.stat_result]:
    """Copy a regular file to `target`, which must not exist, or link it to the pool's file of the same content.

    Return its node, and the status that the source had before it was read.
    """
    fd, status = _opened(source)
    try:
        executable = bool(status.st_mode & 0o100)
        mode = 0o555 if executable else 0o444
        content = _small(fd, status.st_size)
        node = None
        if content is not None:
            node = FileNode(blake3(content).digest(), len(content), executable)
            # Writing a small file is faster than looking for its content in the pool. If the pool has the content,
            # `adopt` replaces the file by a link.
            if len(content) > _SMALL and pool.link(node, target):
                return node, status
        out = os.open(target, _WRITE, mode)
        try:
            if content is not None:
                done = os.write(out, content)
                while done < len(content):
                    done += os.write(out, memoryview(content)[done:])
            else:
                node = _copied(fd, out, executable)
            os.fchmod(out, mode)
            os.utime(out, _TIMES)
        finally:
            os.close(out)
    finally:
        os.close(fd)
    assert node is not None
    pool.adopt(node, target)
    return node, status


def _opened(source: str) -> tuple[int, os.stat_result]:
    fd = os.open(source, _READ)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise BadTree("A file was replaced while it was read", where=source)
    return fd, status


def _small(fd: int, size: int) -> bytes | None:
    """Return the content of a small file. Return None, with the file position at 0, if it is large or changes."""
    if size >= LARGE:
        return None
    # One extra byte detects a file that grows. Most files need a single call.
    content = os.read(fd, size + 1)
    if len(content) == size:
        return content
    os.lseek(fd, 0, os.SEEK_SET)
    return None


def _copied(fd: int, out: int, executable: bool) -> FileNode:
    """Copy a large file, and hash the written bytes in the same pass, because the source may change meanwhile."""
    hasher, size = blake3(), 0
    writeback = Writeback(out)
    buffer = memoryview(bytearray(_BUFFER))
    while count := os.readv(fd, [buffer]):
        hasher.update(buffer[:count])
        done = os.write(out, buffer[:count])
        while done < count:
            done += os.write(out, buffer[done:count])
        size += count
        writeback.reached(size)
    return FileNode(hasher.digest(), size, executable)
