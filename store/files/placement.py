"""Put finished trees in their places in the store, and move entries of the store to the trash."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from .pool import MTIME
from .remove import remove_tree

# Errors of a rename to a path that exists. A file, or an empty directory, is replaced by one of its kind.
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


def place(tree: Path, target: str | Path) -> None:
    """Rename a tree to `target`, a free place in the directory of trees. The caller holds the path's lock."""
    mode = os.lstat(tree).st_mode
    is_directory = stat.S_ISDIR(mode)
    if is_directory and mode & 0o777 != 0o755:
        os.chmod(tree, 0o755)
    os.rename(tree, target)
    if is_directory:
        os.chmod(target, 0o555)
        os.utime(target, (MTIME, MTIME))


def place_over(root: Path, tree: Path, target: str) -> None:
    """Place a tree where something may be left, which goes to the trash of the store at `root` and is deleted."""
    try:
        place(tree, target)
    except OSError as error:
        if error.errno not in _OCCUPIED:
            raise
        # A crash left it, or a running gc has not deleted it yet.
        discarded = discard(root, target)
        with contextlib.suppress(OSError):  # the next sweep deletes the tree
            remove_tree(discarded)
        place(tree, target)


def make_movable(tree: Path) -> None:
    """Permit to rename a tree to another parent, which needs write permission on a directory."""
    if _is_directory(tree):
        os.chmod(tree, 0o755)


def make_final(tree: Path) -> None:
    """Give the directory of a tree the mode and the time that it has in the store."""
    if _is_directory(tree):
        os.chmod(tree, 0o555)
        os.utime(tree, (MTIME, MTIME))


def _is_directory(tree: Path) -> bool:
    # A symlink to a directory may lead anywhere, so it is not treated as a directory.
    return stat.S_ISDIR(os.lstat(tree).st_mode)


def discard(root: Path, path: str | Path) -> Path:
    """Move a file or directory of the store to the trash. Return its new path."""
    trash = root / "trash"
    target = trash / os.urandom(8).hex()
    try:
        try:
            os.rename(path, target)
        except FileNotFoundError:
            # Something deleted the trash. If the entry itself was deleted, the second call fails, too.
            trash.mkdir(mode=0o755, exist_ok=True)
            os.rename(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # overlayfs cannot rename a directory of a lower layer.
        remove_tree(Path(path))
    return target
