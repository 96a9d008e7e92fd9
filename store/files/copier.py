"""Hash files of a source, and copy them into a tree and the pool. Several processes may do so at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from blake3 import blake3
from fpack.store.errors import BadTree

from .pool import MTIME, FileNode, Pool, pool_path
from .tree import hash_open
from .writeback import Writeback
from .writer import write_all

LARGE = 4 << 20
_SMALL = 1 << 14
_BUFFER = 1 << 18  # a piece of this size stays in the processor's cache while it is read, hashed and written
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_TIMES = (MTIME, MTIME)

# The digest of a file's content, its size, and the status that the file had before it was read.
CopiedFile: TypeAlias = tuple[bytes, int, os.stat_result]


def hash_file(source: str) -> CopiedFile:
    """Return what `copy_files` would yield, without copying."""
    fd, status = _opened(source)
    try:
        return *hash_open(fd, status.st_size), status
    finally:
        os.close(fd)


def copy_files(pool: Pool, source: str, target: str, names: Iterable[str]) -> Iterator[CopiedFile]:
    """Copy regular files of the directory `source` to the directory `target`, or link them to the pool's files.

    `target` must have none of them.
    """
    before = os.open(source, _DIRECTORY)
    try:
        after = os.open(target, _DIRECTORY)
        try:
            with pool.opened() as contents:
                yield from _copy_files(pool, before, after, contents, names)
        finally:
            os.close(after)
    except BadTree as error:
        raise BadTree(error.what, where=f"{source}/{error.where}") from None
    except OSError as error:
        # The system calls below know only the name of a file.
        where = os.path.join(source, error.filename) if error.filename else None
        raise OSError(error.errno, error.strerror, where) from None
    finally:
        os.close(before)


def _copy_files(pool: Pool, before: int, after: int, contents: int, names: Iterable[str]) -> Iterator[CopiedFile]:
    """Copy files between open directories. For most files this takes ten system calls and little else."""
    exact: set[int] = set()  # modes that a new file of the target gets exactly, whatever the umask and default ACLs are
    for name in names:
        fd, status = _opened(name, before)
        try:
            size = status.st_size
            executable = bool(status.st_mode & 0o100)
            mode = 0o555 if executable else 0o444
            content = _small(fd, size)
            digest = b"" if content is None else blake3(content).digest()
            # Writing a small file is faster than looking for its content in the pool. If the pool has the content,
            # `adopt` replaces the file by a link.
            if content is not None and size > _SMALL and pool.link(FileNode(digest, size, executable), name, after):
                yield digest, size, status
                continue
            out = os.open(name, _WRITE, mode, dir_fd=after)
            try:
                if content is None:
                    digest, size = _copied(fd, out)
                elif os.write(out, content) < size:
                    os.lseek(out, 0, os.SEEK_SET)
                    write_all(out, content)
                if mode not in exact:
                    if stat.S_IMODE(os.fstat(out).st_mode) == mode:
                        exact.add(mode)
                    else:
                        os.fchmod(out, mode)
                os.utime(out, _TIMES)
            finally:
                os.close(out)
        finally:
            os.close(fd)
        try:
            os.link(name, pool_path(digest, executable), src_dir_fd=after, dst_dir_fd=contents)
        except FileExistsError:
            pool.share(FileNode(digest, size, executable), name, after)
        except OSError:  # such as a directory of the pool that does not exist yet
            pool.adopt(FileNode(digest, size, executable), name, after)
        yield digest, size, status


def _opened(source: str, directory: int | None = None) -> tuple[int, os.stat_result]:
    """Open a regular file and return its descriptor and status. Raise BadTree if it is something else by now."""
    fd = os.open(source, _READ, dir_fd=directory)
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


def _copied(fd: int, out: int) -> tuple[bytes, int]:
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
    return hasher.digest(), size
