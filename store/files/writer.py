"""Write a tree to a private directory, and normalise, deduplicate and hash it in the same pass.

The writer keeps a model of the tree and checks each path against it. So an entry of a hostile archive can never be
written behind a symlink or outside the directory. Nobody else can write to the directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from blake3 import blake3
from fpack.store.errors import BadTree, DamagedPath

from .pool import MTIME, FileNode, Pool
from .regular_file import open_stored
from .tree import (
    CHUNK,
    MAX_DEPTH,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    Directory,
    Node,
    check_entry,
    check_target,
    pieces,
    split,
    tree_digest,
    tree_size,
)
from .writeback import STEP, Writeback

_TIMES = (MTIME, MTIME)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LARGE = 4 << 20
_SHORT = MAX_PATH_BYTES // 4  # characters of a path that certainly has no more than MAX_PATH_BYTES
# Errors of copy_file_range if the kernel, the file systems or the file types do not support it.
_NO_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)


class TreeWriter:
    """A tree that is being written at `disk`, which must not exist yet. Paths are relative; "" is the tree itself."""

    def __init__(self, pool: Pool, path: Path) -> None:
        self._pool = pool
        self.disk = path
        self._base = os.fspath(path)
        self._root: Node | None = None
        self._finished = b""
        self._released_size = -1
        self.unnamed = b""  # files that the pool lacks, as `UnnamedFiles.taken` gives them
        self._open: dict[str, Directory] = {}  # the directories that can take entries, by their paths
        self.directories = 0  # number of directories made so far

    def mkdir(self, path: str) -> None:
        """Make a directory and its parents. An existing directory stays unchanged."""
        parts = split(path) if path else []
        directory = self._parents(parts, path)
        if len(parts) < MAX_DEPTH:
            self._open[path] = directory

    def new_directory(self, path: str) -> None:
        """Make a directory, and its parents. Raise BadTree if anything exists at `path`, except for the tree itself."""
        if not path:
            self.mkdir(path)
            return
        directory, name, target = self._slot(path)
        assert directory is not None
        os.mkdir(target, 0o755)
        self.directories += 1
        below: Directory = {}
        directory[name] = below
        if path.count("/") < MAX_DEPTH - 1:
            self._open[path] = below

    def file(self, path: str, chunks: Iterable[bytes], executable: bool = False) -> FileNode:
        """Write a file from `chunks` (of any sizes), make its parents, and return its node."""
        directory, name, target = self._slot(path)
        blocks = joined(chunks, CHUNK)
        first = next(blocks, b"")
        if len(first) < CHUNK:
            return self._small(directory, name, target, first, executable)
        # The content is too large for memory: write it. If the pool has the content, `adopt` replaces the file by a
        # link.
        hasher, size = blake3(), 0
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb", buffering=0) as out:
                writeback = Writeback(out.fileno())
                for block in chain([first], blocks):
                    hasher.update(block)
                    write_all(out.fileno(), block)
                    size += len(block)
                    writeback.reached(size)
                os.fchmod(out.fileno(), 0o555 if executable else 0o444)
                os.utime(out.fileno(), _TIMES)
        except BaseException:
            os.unlink(target)
            raise
        node = FileNode(hasher.digest(), size, executable)
        self._pool.adopt(node, target)
        return self._put(directory, name, node)

    def small_file(self, path: str, content: bytes, executable: bool = False) -> FileNode:
        """Write a file as `file` does, whose content is in memory."""
        return self._small(*self._slot(path), content, executable)

    def small_files(self, path: str, files: Sequence[tuple[bytes, bytes, bool]]) -> None:
        """Make a directory and its parents, and write files in it: (name, content, executable).

        This does for each file as little as possible. The kernel looks the directory up once.
        """
        self.mkdir(path)
        directory = self._open.get(path)
        base = f"{self._base}/{path}" if path else self._base
        if directory is None or len(path) + MAX_NAME_BYTES >= _SHORT:
            for name, content, executable in files:
                self.small_file(os.path.join(path, os.fsdecode(name)), content, executable)
            return
        link_known, write = self._pool.link_known, self._write_small
        new = []
        at = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for name, content, executable in files:
                if check_entry(name) in directory:
                    raise BadTree("A path occurs twice in one tree", where=os.path.join(path, os.fsdecode(name)))
                node = FileNode(blake3(content).digest(), len(content), executable)
                if not link_known(node, name, at):
                    write(node, name, content, at)
                    new.append((name, node))
                directory[name] = node
            self._pool.adopt_all(base, new, at)
        except OSError as error:
            where = os.path.join(base, os.fsdecode(error.filename or b""))  # the calls know only the file's name
            raise OSError(error.errno, error.strerror, where) from None
        finally:
            os.close(at)

    def copy(self, path: str, source: int, executable: bool = False) -> FileNode:
        """Write a file with the content of the descriptor `source`. The kernel copies large files."""
        if os.fstat(source).st_size < _LARGE:
            return self.file(path, pieces(source), executable)
        directory, name, target = self._slot(path)
        fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                size = _copy(source, fd)
                # Hash the copy, because the original may change meanwhile.
                hasher = blake3()
                os.lseek(fd, 0, os.SEEK_SET)
                for piece in pieces(fd):
                    hasher.update(piece)
                os.fchmod(fd, 0o555 if executable else 0o444)
                os.utime(fd, _TIMES)
            finally:
                os.close(fd)
        except BaseException:
            os.unlink(target)
            raise
        node = FileNode(hasher.digest(), size, executable)
        self._pool.adopt(node, target)
        return self._put(directory, name, node)

    def link(self, path: str, node: FileNode, source: Path) -> None:
        """Add a file that the store has. `source` is its path, which is read if the pool has lost the content.

        Raise DamagedPath if `source` does not match `node`: the pool would serve the wrong content to every later user.
        """
        directory, name, target = self._slot(path)
        if not self._pool.link(node, target):
            self._write(node, target, _content(source), os.fspath(source))
        self._put(directory, name, node)

    def symlink(self, path: str, to: str) -> None:
        """Make a symlink to `to`, which is not resolved."""
        directory, name, target = self._slot(path)
        raw = check_target(os.fsencode(to), path)
        os.symlink(raw, target)
        os.utime(target, _TIMES, follow_symlinks=False)
        self._put(directory, name, raw)

    def take_over(self, directories: Iterable[str], digest: bytes, size: int) -> None:
        """Adopt and finish a tree whose entries exist below `disk`, as this writer would have made them.

        Several processes can write such a tree together. directories: all paths to normalise, with "". digest: of the
        tree. size: the number of bytes of all files.
        """
        if self._root is not None:
            raise BadTree("A tree that has entries cannot be replaced")
        for directory in directories:
            _seal(f"{self._base}/{directory}")
        self._finished, self._released_size = digest, size

    def entry(self, path: str) -> Node | None:
        """Return the node at `path`, or None. No symlink is followed."""
        node = self._root
        for part in split(path) if path else []:
            if not isinstance(node, dict):
                return None
            node = node.get(part)
        return node

    def finish(self, *, top: bool = True) -> bytes:
        """Normalise the directories and return the tree's digest (32 bytes). Nothing can be added afterwards.

        top: normalise the tree's own directory, too. `Store.register` does that in any case.
        """
        if not self._finished:
            if self._root is None:
                raise BadTree("An output is empty", why="the builder wrote nothing")
            if isinstance(self._root, dict):
                self._seal(self._root, os.fsencode(self._base), top)
            self._finished = tree_digest(self._root)
        return self._finished

    @property
    def size(self) -> int:
        """The number of bytes of all files."""
        return (0 if self._root is None else tree_size(self._root)) if self._released_size < 0 else self._released_size

    def release(self) -> None:
        """Finish the tree and free the memory of its model. Only `disk`, `size` and `finish` work afterwards."""
        self.finish()
        self._released_size = self.size
        self._root = None
        self._open.clear()

    @property
    def node(self) -> Node | None:
        """The tree written so far, or None if nothing was written or the model was released."""
        return self._root

    def _seal(self, directory: Directory, path: bytes, top: bool = True) -> None:
        for name, node in directory.items():
            if node.__class__ is dict:
                self._seal(node, path + b"/" + name)
        if top:
            _seal(path)

    def _small(
        self, directory: Directory | None, name: bytes, target: str, content: bytes, executable: bool
    ) -> FileNode:
        node = FileNode(blake3(content).digest(), len(content), executable)
        if not self._pool.link_known(node, target):
            self._write_small(node, target, content)
            self._pool.adopt(node, target)
        return self._put(directory, name, node)

    def _write_small(self, node: FileNode, target: str | bytes, content: bytes, at: int | None = None) -> None:
        """Write a file whose node is known. at: descriptor of the directory that `target` is relative to."""
        mode = 0o555 if node.executable else 0o444
        fd = os.open(target, _NEW, mode, dir_fd=at)
        try:
            if os.write(fd, content) < node.size:
                os.lseek(fd, 0, os.SEEK_SET)
                write_all(fd, content)
            if mode in self._pool.exact:
                os.utime(fd, _TIMES)
            else:
                self._finish_file(fd, mode)
        finally:
            os.close(fd)

    def _write(self, node: FileNode, target: str, chunks: Iterable[bytes], source: str = "") -> None:
        """Write a file whose node is known and add it to the pool.

        source: the file that `chunks` come from, if they may differ from the node; raise DamagedPath if they do.
        """
        mode = 0o555 if node.executable else 0o444
        hasher = blake3()
        fd = os.open(target, _NEW, mode)
        try:
            for chunk in chunks:
                write_all(fd, chunk)
                if source:
                    hasher.update(chunk)
            if source and (hasher.digest() != node.digest or os.fstat(fd).st_size != node.size):
                os.unlink(target)
                raise DamagedPath(source)
            self._finish_file(fd, mode)
        finally:
            os.close(fd)
        self._pool.adopt(node, target)

    def _finish_file(self, fd: int, mode: int) -> None:
        """Give a file that was opened with `mode` this mode, whatever the umask is, and its time."""
        if mode not in self._pool.exact:
            if stat.S_IMODE(os.fstat(fd).st_mode) == mode:
                self._pool.exact.add(mode)
            else:
                os.fchmod(fd, mode)
        os.utime(fd, _TIMES)

    def _put(self, directory: Directory | None, name: bytes, node: FileNode | bytes) -> FileNode:
        """Record an entry that was written. Return its node (for a symlink, a meaningless one)."""
        if directory is None:
            self._root = node
        else:
            directory[name] = node
        return node if isinstance(node, FileNode) else FileNode(b"", 0, False)

    def _slot(self, path: str) -> tuple[Directory | None, bytes, str]:
        """Make the parents of a new entry. Return (its directory, its name, its path on disk)."""
        if path == "":
            if self._root is not None:
                raise BadTree("A tree cannot be both a file and a directory")
            return None, b"", self._base
        parent, _, last = path.rpartition("/")
        found = self._open.get(parent)
        if found is None or path[0] == "/" or len(path) > _SHORT:
            *above, name = split(path)
            directory = self._open[parent] = self._parents(above, path)
        else:  # the parent was checked
            directory, name = found, check_entry(os.fsencode(last))
        if name in directory:
            raise BadTree("A path occurs twice in one tree", where=path)
        return directory, name, f"{self._base}/{path}"

    def _parents(self, parts: list[bytes], path: str) -> Directory:
        """Return the directory at `parts`, and create it and those around it. path: of the new entry, for errors."""
        if self._root is None:
            os.mkdir(self._base, 0o755)
            self._root = {}
        node = self._root
        if not isinstance(node, dict):
            raise BadTree("A tree cannot be both a file and a directory", where=path)
        disk = os.fsencode(self._base) if parts else b""
        for part in parts:
            disk += b"/" + part
            below = node.get(part)
            if below is None:
                os.mkdir(disk, 0o755)
                self.directories += 1
                below = node[part] = {}
            elif not isinstance(below, dict):
                kind = "a symlink" if isinstance(below, bytes) else "a file"
                raise BadTree(f"A path leads through {kind} of the same tree", where=path)
            node = below
        return node


def _seal(path: str | bytes) -> None:
    os.chmod(path, 0o555)
    os.utime(path, _TIMES)


def _content(source: Path) -> Iterator[bytes]:
    fd = open_stored(source)
    try:
        yield from pieces(fd)
    finally:
        os.close(fd)


def joined(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join pieces into blocks of at least `size` bytes; the last may have fewer."""
    block: list[bytes] = []
    filled = 0
    if isinstance(pieces, list) and len(pieces) == 1 and pieces[0]:
        yield pieces[0]
        return
    for piece in pieces:
        block.append(piece)
        filled += len(piece)
        if filled >= size:
            yield b"".join(block)
            block, filled = [], 0
    if block:
        yield b"".join(block)


def _copy(source: int, fd: int) -> int:
    """Copy from one descriptor to another up to its end. Return the number of bytes copied."""
    size = 0
    writeback = Writeback(fd)
    kernel = True
    while True:
        if kernel:
            try:
                count = os.copy_file_range(source, fd, STEP)
            except OSError as error:
                if error.errno not in _NO_KERNEL_COPY:
                    raise
                kernel = False
                continue
        else:
            piece = os.read(source, CHUNK)
            write_all(fd, piece)
            count = len(piece)
        if not count:
            return size
        size += count
        writeback.reached(size)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`. A call of the kernel may write only a part."""
    done = os.write(fd, data)
    if done < len(data):
        view = memoryview(data)
        while done < len(data):
            done += os.write(fd, view[done:])
