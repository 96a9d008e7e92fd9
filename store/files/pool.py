"""Store file contents once: identical files share one inode, which is found by digest and executable bit.

The path of a content is `files/ab/<62 hex characters>`, with `x` appended if it is executable. Store trees hold hard
links to these inodes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpack.light_typing import NamedTuple

MTIME = 1
BLOCK = 512  # bytes of a unit of st_blocks
_SMALL = 1 << 16
# Looking for a content that the pool lacks costs one call, and writing one that it has costs seven. So small contents
# are not looked for while fewer than one of _HIT is there.
_HIT, _NEW = 8, 64
_MODES = {False: stat.S_IFREG | 0o444, True: stat.S_IFREG | 0o555}


class FileNode(NamedTuple):
    """A file of a tree: BLAKE3 of its content, size in bytes, executable bit."""

    digest: bytes
    size: int
    executable: bool


class Pool:
    """The pool of files below one directory."""

    def __init__(self, root: Path | str) -> None:
        self._root = os.fspath(root)
        self._prefix = self._root + "/"
        self._directory: int | None = None  # descriptor of the pool's directory, in `held_open`
        self._new = 0  # the higher, the more of the last contents were new; at most _NEW
        self.exact: set[int] = set()  # modes that a new file gets exactly, whatever the umask and default ACLs are

    def _path(self, node: FileNode) -> str:
        """Return the path of a content, relative to `_directory`, if that is open."""
        name = node.digest.hex()
        mark = "x" if node.executable else ""
        return f"{self._prefix}{name[:2]}/{name[2:]}{mark}"

    def link_known(self, node: FileNode, target: str | bytes, directory: int | None = None) -> bool:
        """Hard-link the pool's file to `target` as `link` does, but do not look for small contents while all are new.

        The caller writes the file then, and `adopt` finds out whether the pool has the content.
        """
        if self._new > _NEW // 2 and node.size <= _SMALL:
            return False
        found = self.link(node, target, directory)
        if found:
            self._new = max(self._new - _HIT, 0)
        return found

    def link(self, node: FileNode, target: str | bytes, directory: int | None = None) -> bool:
        """Hard-link the pool's file to `target`. Return False if the pool lacks the file or its file was changed.

        The content is not read again. A write to the file is detected by its size or its mtime. directory: descriptor
        of the directory that `target` is relative to.
        """
        path = self._path(node)
        try:
            os.link(path, target, src_dir_fd=self._directory, dst_dir_fd=directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            # The inode has the maximum number of links. Later files share a new inode.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path, dir_fd=self._directory)
            return False
        # After a power failure, the file's name may exist while its content is lost.
        status = os.stat(target, dir_fd=directory, follow_symlinks=False)
        if status.st_size != node.size or status.st_mtime != MTIME or status.st_mode != _MODES[node.executable]:
            os.unlink(target, dir_fd=directory)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path, dir_fd=self._directory)
            return False
        return True

    def adopt(self, node: FileNode, source: str | bytes, directory: int | None = None, aside: str = "") -> None:
        """Add the finished file at `source` (mode and mtime set) to the pool, or replace it by a link to the pool's
        file. directory: descriptor of the directory that `source` is relative to. aside: see `share`.
        """
        path = self._path(node)
        try:
            try:
                os.link(source, path, src_dir_fd=directory, dst_dir_fd=self._directory)
            except FileNotFoundError:
                self._make(os.path.dirname(path))
                os.link(source, path, src_dir_fd=directory, dst_dir_fd=self._directory)
            if self._new < _NEW:
                self._new += 1
        except FileExistsError:
            self._new = max(self._new - _HIT, 0)
            self.share(node, os.fsdecode(source), directory, aside)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise

    def adopt_all(self, path: str, files: Sequence[tuple[bytes, FileNode]], directory: int) -> None:
        """Adopt files of one directory: (name, node). path, directory: its path, and a descriptor of it."""
        for name, node in files:
            self.adopt(node, name, directory)

    def share(self, node: FileNode, source: str, directory: int | None = None, aside: str = "") -> None:
        """Replace the finished file at `source` by a link to the pool's file, unless that was changed.

        aside: an unused path, if the directory is one of a valid tree: nobody may see another entry in it.
        """
        temporary = aside or source + ".pool"
        if aside and os.path.samestat(
            os.stat(source, dir_fd=directory), os.stat(self._path(node), dir_fd=self._directory)
        ):
            return
        if self.link(node, temporary, directory):
            if aside and directory is not None:
                os.fchmod(directory, 0o755)
            os.rename(temporary, source, src_dir_fd=directory, dst_dir_fd=directory)
            if aside and directory is not None:
                os.fchmod(directory, 0o555)
                os.utime(directory, (MTIME, MTIME))

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Make the pool, and yield a descriptor of its directory. Paths of `pool_path` are relative to it.

        The store's directory is not made: who deleted the store does not get it back, with another mode.
        """
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._root, 0o755)
        fd = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def held_open(self) -> Iterator[Pool]:
        """Yield a pool with the same directory, for one thread: the kernel does not look it up for each file."""
        with self.opened() as fd:
            pool = Pool(self._root)
            pool._directory, pool._prefix = fd, ""
            yield pool

    def _make(self, directory: str) -> None:
        """Make a directory of the pool, also if something deleted the pool itself."""
        try:
            os.mkdir(directory, 0o755, dir_fd=self._directory)
        except FileExistsError:
            pass
        except FileNotFoundError:
            if self._directory is not None:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._root, 0o755)
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o755)

    def unused(self) -> Iterator[tuple[str, int]]:
        """Yield (path, bytes on the disk) of each file that only the pool links to."""
        for directory in self.directories():
            yield from self.unused_in(directory)

    def unused_in(self, directory: str) -> Iterator[tuple[str, int]]:
        """Yield the same as `unused` for the files in one directory."""
        for path, _, status in self.files_in(directory):
            if status.st_nlink == 1:
                yield path, status.st_blocks * BLOCK

    def members(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Yield (path, digest and executable mark from the file's name, status) of each file in the pool."""
        for directory in self.directories():
            yield from self.files_in(directory)

    def directories(self) -> list[str]:
        """Return the names of the pool's directories, sorted."""
        try:
            return sorted(os.listdir(self._root))
        except FileNotFoundError:
            return []

    def files_in(self, directory: str) -> Iterator[tuple[str, str, os.stat_result]]:
        """Yield the same as `members` for the files in one directory. Omit a file that is deleted meanwhile."""
        try:
            fd = os.open(f"{self._root}/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            for name in os.listdir(fd):
                # The `yield` is outside of the `try`, because an error of the caller must not be caught here.
                try:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield f"{self._root}/{directory}/{name}", directory + name, status
        finally:
            os.close(fd)


def pool_name(node: FileNode) -> str:
    """Return the name of a content: its digest and executable mark."""
    return node.digest.hex() + ("x" if node.executable else "")


def pool_path(digest: bytes, executable: bool) -> str:
    """Return the path of a content in the pool."""
    name = digest.hex()
    return f"{name[:2]}/{name[2:]}x" if executable else f"{name[:2]}/{name[2:]}"
