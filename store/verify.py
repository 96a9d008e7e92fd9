"""Check the store's integrity: hash every valid path and every file of the pool again.

`repair` makes damaged paths, and paths that reference them, invalid, so that the next build recreates them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from fpack.store.files.pool import FileNode
from fpack.store.files.tree import read_file, scan, tree_digest

from . import base32
from .database import PathInfo
from .errors import BadTree
from .locks import FileLock
from .path import StorePath
from .store import Store

_MAX_CACHED = 300_000  # files whose digests are kept in memory, so that a file that trees share is read once


class Damage(NamedTuple):
    """A valid path whose tree differs from its database row."""

    path: StorePath
    why: str


class StoreCheck(NamedTuple):
    """The result of a check.

    paths: number of hashed paths. bytes: bytes read. pool: pool files whose content differs from their name.
    """

    paths: int
    bytes: int
    damaged: tuple[Damage, ...]
    pool: tuple[str, ...]


Progress = Callable[[int, int, str], None]  # number of paths done, number of all paths, the next path


def check(store: Store, progress: Progress = lambda done, total, name: None) -> StoreCheck:
    """Hash every path. Builds and collections may run meanwhile; a path that they delete is not reported as damaged."""
    files = _Files()
    infos = sorted(store.database.paths(), key=lambda info: info.path)
    valid = {base32.decode(info.path.hash) for info in infos}
    damaged = []
    for done, info in enumerate(infos):
        progress(done, len(infos), str(info.path))
        why = _tree(store, info, files) or _references(store, info, valid)
        if why and store.info(info.path) is not None:
            damaged.append(Damage(info.path, why))
    progress(len(infos), len(infos), "the pool of files")
    return StoreCheck(len(infos), files.bytes, tuple(damaged), tuple(_pool(store, files)))


def repair(store: Store, found: StoreCheck) -> list[StorePath]:
    """Make damaged paths and all that reference them invalid. Return these paths, sorted.

    The next garbage collection deletes their trees.
    """
    for place in found.pool:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place)
    with FileLock(store.root / "locks" / "gc"):
        return store.invalidate(damage.path for damage in found.damaged)


class _Files:
    """A reader that hashes each inode once, as far as memory allows."""

    def __init__(self) -> None:
        self.bytes = 0
        self._known: dict[tuple[int, int], FileNode] = {}

    def read(self, path: str | bytes, status: os.stat_result) -> FileNode:
        inode = (status.st_dev, status.st_ino)
        node = self._known.get(inode)
        if node is None:
            node = read_file(path, status)
            self.bytes += node.size
            if len(self._known) < _MAX_CACHED:
                self._known[inode] = node
        return node


def _tree(store: Store, info: PathInfo, files: _Files) -> str:
    """Return the damage of a path's tree, or an empty string."""
    try:
        found = tree_digest(scan(os.fspath(store.disk(info.path)), read=files.read))
    except FileNotFoundError as error:
        whole = error.filename in (os.fspath(store.disk(info.path)), os.fsencode(store.disk(info.path)))
        return "it is missing" if whole else "a part of it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except BadTree as error:
        return str(error)
    return "" if found == info.tree else "its content differs from what was registered"


def _references(store: Store, info: PathInfo, valid: set[bytes]) -> str:
    for reference in info.references:
        if reference not in valid and store.database.info(reference) is None:
            return f"it references a path that is not in the store, {base32.encode(reference)}"
    return ""


def _pool(store: Store, files: _Files) -> list[str]:
    bad = []
    for path, name, status in store.pool.members():
        try:
            node = files.read(path, status)
        except FileNotFoundError:
            continue
        except OSError:
            bad.append(path)
            continue
        if node.digest.hex() + ("x" if node.executable else "") != name:
            bad.append(path)
    return bad
