"""The pool of file contents: one inode for identical files, found by digest and executable bit.

`files/ab/<62 hex characters>` or `...x` for executables. Store trees hold hard links to these inodes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MTIME = 1
_MODES = {False: stat.S_IFREG | 0o444, True: stat.S_IFREG | 0o555}


class FileNode(NamedTuple):
    """A file in the pool: BLAKE3 of its content, its size in bytes, whether it is executable."""

    digest: bytes
    size: int
    executable: bool


class Pool:
    """The pool below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._made: set[str] = set()

    def _place(self, node: FileNode) -> str:
        hex_ = node.digest.hex()
        return f"{self._root}/{hex_[:2]}/{hex_[2:]}{'x' if node.executable else ''}"

    def link(self, node: FileNode, target: str) -> bool:
        """Link the pool's file to `target`; False if the pool does not have it, as it was put there.

        Its content is not read again. A file that somebody wrote to shows it by its size or its time.
        """
        place = self._place(node)
        try:
            os.link(place, target)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            # The inode has all the links it can have. Later files share a fresh one.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
            return False
        # A machine that lost power may have kept a name and lost its content.
        status = os.lstat(target)
        if status.st_size != node.size or status.st_mtime != MTIME or status.st_mode != _MODES[node.executable]:
            os.unlink(target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
            return False
        return True

    def adopt(self, node: FileNode, source: str) -> None:
        """Make the finished file at `source` (mode and time set) a member of the pool, or a link to the member."""
        place = self._place(node)
        folder = place[: len(self._root) + 3]
        if folder not in self._made:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o755)
            self._made.add(folder)
        try:
            os.link(source, place)
        except FileExistsError:
            temporary = source + ".pool"
            if self.link(node, temporary):
                os.rename(temporary, source)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise

    def unused(self) -> Iterator[tuple[str, int]]:
        """(path, size) of each file that nothing but the pool refers to."""
        for place, _, status in self.members():
            if status.st_nlink == 1:
                yield place, status.st_size

    def members(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """(path, the digest and executable mark that its name says, status) of each file in the pool."""
        try:
            folders = sorted(os.listdir(self._root))
        except FileNotFoundError:
            return
        for folder in folders:
            with os.scandir(f"{self._root}/{folder}") as entries:
                for entry in entries:
                    yield entry.path, folder + entry.name, entry.stat(follow_symlinks=False)
