"""Read and hash trees, and check the names, targets and paths in them.

A tree is a file, a symlink or a directory. Its digest is a BLAKE3 Merkle digest over names, executable bits, symlink
targets and contents only. `docs/formats.md` specifies the encoding.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from blake3 import blake3
from fpack.light_typing import TypeAlias
from fpack.store.errors import BadTree

from .pool import FileNode

MAX_NAME_BYTES = 255
MAX_TARGET_BYTES = 4095
MAX_DEPTH = 64
MAX_PATH_BYTES = 3800
CHUNK = 1 << 20

Directory = dict[bytes, "Node"]
Node: TypeAlias = "FileNode | bytes | Directory"  # bytes: the target of a symlink


def check_entry(name: bytes) -> bytes:
    """Return `name` if it is a valid entry name of a tree, else raise BadTree."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise BadTree(f"{os.fsdecode(name)!r} cannot be a file's name")
    if len(name) > MAX_NAME_BYTES:
        shown = os.fsdecode(name[:40])
        raise BadTree(f"The file name {shown!r}... has {len(name)} bytes", why=f"the limit is {MAX_NAME_BYTES}")
    return name


def check_target(target: bytes, where: str = "") -> bytes:
    """Return `target` if it is a valid symlink target, else raise BadTree. where: the symlink's path, for the error."""
    if not target or b"\0" in target:
        raise BadTree("A symlink's target is empty or holds a NUL byte", where=where)
    if len(target) > MAX_TARGET_BYTES:
        what = f"A symlink's target has {len(target)} bytes"
        raise BadTree(what, where=where, why=f"the limit is {MAX_TARGET_BYTES}")
    return target


def split(path: str) -> list[bytes]:
    """Return the checked components of a relative path.

    Raise BadTree if the path is absolute, holds `..`, or is too long or too deep.
    """
    raw = os.fsencode(path)
    if len(raw) > MAX_PATH_BYTES:
        raise BadTree(f"A path has {len(raw)} bytes", where=path[:80] + "...", why=f"the limit is {MAX_PATH_BYTES}")
    parts = [check_entry(part) for part in raw.split(b"/")]
    if len(parts) > MAX_DEPTH:
        raise BadTree(f"A path is {len(parts)} levels deep", where=path[:80], why=f"the limit is {MAX_DEPTH}")
    return parts


def entry_digest(node: Node) -> tuple[bytes, bytes]:
    """Return the letter of an entry's kind and the entry's digest, both of which its directory's digest covers."""
    if isinstance(node, FileNode):
        return (b"x" if node.executable else b"f"), node.digest
    if isinstance(node, bytes):
        return b"l", blake3(node).digest()
    return b"d", directory_digest((name, *entry_digest(below)) for name, below in node.items())


def directory_digest(entries: Iterable[tuple[bytes, bytes, bytes]]) -> bytes:
    """Return the digest of a directory. entries: the name of each entry, and its letter and digest."""
    out = [b"fpack directory 1\0"]
    for name, letter, digest in sorted(entries):
        out += (letter, name, b"\0", digest)
    return blake3(b"".join(out)).digest()


def tree_digest(node: Node) -> bytes:
    return top_digest(*entry_digest(node))


def top_digest(letter: bytes, digest: bytes) -> bytes:
    """Return the digest of a tree whose top entry has this letter and digest."""
    return blake3(b"fpack tree 1\0" + letter + digest).digest()


def tree_size(node: Node) -> int:
    """Return the number of bytes of all files of a tree."""
    if isinstance(node, FileNode):
        return node.size
    return sum(map(tree_size, node.values())) if isinstance(node, dict) else 0


def scan(
    path: str | bytes,
    depth: int = 0,
    keep: Callable[[bytes, bool], bool] | None = None,
    read: Callable[[bytes, os.stat_result], FileNode] | None = None,
) -> Node:
    """Read and hash the tree at `path` on disk. Raise BadTree for files that a tree cannot hold.

    keep(path, is directory): return whether an entry below the top belongs to the tree; by default all do. read: hashes
    a file; by default `read_file`.
    """
    path = os.fsencode(path)
    if depth > MAX_DEPTH:
        raise BadTree(f"A tree is more than {MAX_DEPTH} levels deep", where=os.fsdecode(path))
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return check_target(os.readlink(path), os.fsdecode(path))
    if stat.S_ISDIR(status.st_mode):
        entries: Directory = {}
        for name in sorted(os.listdir(path)):
            below = path + b"/" + name
            if keep is None or keep(below, stat.S_ISDIR(os.lstat(below).st_mode)):
                entries[check_entry(name)] = scan(below, depth + 1, keep, read)
        return entries
    if stat.S_ISREG(status.st_mode):
        return (read or read_file)(path, status)
    raise BadTree("A tree can hold only files, directories and symlinks", where=os.fsdecode(path))


def read_file(path: str | bytes | os.PathLike[str], status: os.stat_result) -> FileNode:
    """Read and hash a regular file. status: the file's status, which gives its mode and size."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise BadTree("A file in the store is not a regular file", where=os.fsdecode(path))
        digest, size = hash_open(fd, status.st_size)
        return FileNode(digest, size, bool(status.st_mode & 0o100))
    finally:
        os.close(fd)


def hash_open(fd: int, size: int) -> tuple[bytes, int]:
    """Read and hash an open file, whose size is likely `size`. Return the digest and the number of bytes read."""
    if size < CHUNK:
        # One extra byte detects a file that has grown. Most files need a single call.
        content = os.read(fd, size + 1)
        if len(content) == size:
            return blake3(content).digest(), size
        os.lseek(fd, 0, os.SEEK_SET)
    hasher, size = blake3(), 0
    buffer = memoryview(bytearray(CHUNK))
    while count := os.readv(fd, [buffer]):
        hasher.update(buffer[:count])
        size += count
    return hasher.digest(), size


def chunks(
    path: str | bytes | os.PathLike[str], check: Callable[[], None] = lambda: None, start: int = 0
) -> Iterator[bytes]:
    """Yield the content of a file on disk from an offset on, in pieces of at most CHUNK bytes.

    check: called after each piece is read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.lseek(fd, start, os.SEEK_SET)
        yield from pieces(fd, check)
    finally:
        os.close(fd)


def pieces(fd: int, check: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """Yield the rest of an open file as `chunks` does."""
    # os.read allocates the size that it is given, and most files are small. One more byte detects growth.
    most = min(CHUNK, os.fstat(fd).st_size + 1)
    while piece := os.read(fd, most):
        check()
        yield piece
